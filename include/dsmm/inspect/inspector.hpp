// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/explain/heat_map.hpp"
#include "dsmm/graph/self_test.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/inspect/frame_check.hpp"
#include "dsmm/inspect/frame_view.hpp"
#include "dsmm/inspect/gate.hpp"
#include "dsmm/inspect/inspection.hpp"
#include "dsmm/inspect/model_meta.hpp"
#include "dsmm/inspect/series_feed.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/stream/sensor_span.hpp"

namespace dsmm::inline DSMM_ABI {

/// Nanoseconds of std::chrono::steady_clock; tests pass their own.
inline std::chrono::nanoseconds steady_now() noexcept { return std::chrono::steady_clock::now().time_since_epoch(); }

struct inspector_options {
  executor exec{};
  std::chrono::nanoseconds deadline = std::chrono::milliseconds(50);  ///< arrival to decision; later is UNKNOWN
  std::chrono::nanoseconds max_age = std::chrono::seconds(1);         ///< an older frame is not this part's
  float threshold = std::numeric_limits<float>::quiet_NaN();          ///< NaN: the model's own
  exposure_limits exposure{};
  bool refuse_repeats = true;  ///< a picture equal to the one before is a frozen camera
  bool heat_map = true;        ///< regions and map are filled in
  std::chrono::nanoseconds (*now)() noexcept = steady_now;
};

struct frame_context {
  std::uint64_t frame_id = 0;
  std::chrono::nanoseconds arrival{};  ///< when the frame reached this machine, on the clock of options.now
  bool damaged = false;                ///< the transport reported missing or broken data
};

/// Judges parts: one frame, the sensor windows that belong to it, one verdict through the gate.
/// Owns the model file, its memory and the sensor streams' state. One thread at a time.
class inspector {
public:
  /// Copies and verifies the file, packs it, repeats its self-test.
  /// Errors: those of model::open and session::prepare, self_test_failed, wrong_product (META does not fit the graph).
  static result<std::unique_ptr<inspector>> open(std::span<const std::byte> file,
                                                 const inspector_options& options = {});

  inspector(const inspector&) = delete;
  inspector& operator=(const inspector&) = delete;

  /// Frame size in pixels; 0 x 0 if the model looks at sensors alone.
  std::int32_t width() const noexcept { return image_ ? session_->u8(*image_).shape.w : 0; }
  std::int32_t height() const noexcept { return image_ ? session_->u8(*image_).shape.h : 0; }
  std::span<const sensor_need> sensors() const noexcept { return meta_.sensors; }
  std::string_view product() const noexcept { return meta_.product; }
  /// Label of a class index; empty outside the list.
  std::string_view label(std::int32_t i) const noexcept {
    return i >= 0 && static_cast<std::size_t>(i) < meta_.labels.size() ? meta_.labels[static_cast<std::size_t>(i)]
                                                                       : std::string_view{};
  }
  std::size_t label_count() const noexcept { return meta_.labels.size(); }
  /// The first 16 hexadecimal digits of the file's identity.
  std::string_view identity() const noexcept { return identity_.data(); }
  const model& source() const noexcept { return *model_; }
  float threshold() const noexcept { return std::isnan(options_.threshold) ? meta_.threshold : options_.threshold; }

  /// Judges one part. frame.data may be null (no picture came). Spans may be in any order and more than needed.
  /// Returns the result; it and its views hold until the next call. Neither allocates, locks nor throws.
  const inspection& inspect(const frame_view& frame, std::span<const sensor_span> sensors,
                            const frame_context& context) noexcept;

  /// A new batch of parts: forgets sensor states and the last picture.
  void reset() noexcept {
    session_->reset();
    feed_.restart();
    last_fingerprint_.reset();
  }

private:
  struct free_bytes {
    void operator()(std::byte* p) const noexcept { ::operator delete[](p, std::align_val_t{64}); }
  };
  using aligned_bytes = std::unique_ptr<std::byte[], free_bytes>;

  inspector() = default;
  static aligned_bytes allocate(std::size_t size) noexcept {
    return aligned_bytes(new (std::align_val_t{64}, std::nothrow) std::byte[size]);
  }
  result<void> bind();
  std::optional<std::uint32_t> port(std::string_view name) const noexcept { return model_->find_tensor(name); }
  float scalar(const std::optional<std::uint32_t>& tensor) const noexcept {
    return tensor ? session_->f32(*tensor).data[0] : std::numeric_limits<float>::quiet_NaN();
  }
  void set_flag(const std::optional<std::uint32_t>& tensor, bool on) noexcept {
    if (tensor) session_->f32(*tensor).data[0] = on ? 1.0f : 0.0f;
  }
  void look(const frame_view& frame, evidence& e) noexcept;
  void read_scores(evidence& e) noexcept;
  void read_map() noexcept;

  inspector_options options_;
  aligned_bytes file_, arena_;
  std::optional<model> model_;
  std::optional<session> session_;
  model_meta meta_;
  series_feed feed_;
  std::vector<const sensor_span*> needed_;
  std::array<char, 17> identity_{};
  std::optional<std::uint32_t> frame_program_;
  std::optional<std::uint32_t> image_, has_image_, has_series_, decision_, image_score_, series_score_, joint_score_,
      class_, map_;
  std::optional<region_finder> finder_;
  std::array<region, region_finder::capacity> regions_{};
  std::optional<std::uint64_t> last_fingerprint_;
  inspection last_;
};

inline result<std::unique_ptr<inspector>> inspector::open(std::span<const std::byte> file,
                                                          const inspector_options& options) {
  std::unique_ptr<inspector> self(new (std::nothrow) inspector);
  const failure no_memory{errc::too_large, "no memory for the model"};
  if (self == nullptr) return no_memory;
  self->options_ = options;
  self->file_ = allocate(file.size() + 1);
  if (self->file_ == nullptr) return no_memory;
  if (!file.empty()) std::memcpy(self->file_.get(), file.data(), file.size());
  auto m = model::open({self->file_.get(), file.size()});
  if (!m) return m.error();
  self->model_.emplace(*m);
  self->identity_ = m->short_identity();
  const session_options session_options{options.exec, std::nullopt};
  const auto bytes = session::required(*self->model_, session_options);
  if (!bytes) return bytes.error();
  self->arena_ = allocate(*bytes);
  if (self->arena_ == nullptr) return no_memory;
  auto s = session::prepare(*self->model_, {self->arena_.get(), *bytes}, session_options);
  if (!s) return s.error();
  self->session_.emplace(*s);
  if (auto ok = self_test(*self->session_); !ok) return ok.error();
  auto meta = model_meta::read(*self->model_);
  if (!meta) return meta.error();
  self->meta_ = std::move(*meta);
  if (auto ok = self->bind(); !ok) return ok.error();
  return self;
}

inline result<void> inspector::bind() {
  frame_program_ = model_->find_program("frame");
  image_ = port("image");
  has_image_ = port("has_image");
  has_series_ = port("has_series");
  image_score_ = port("image_score");
  series_score_ = port("series_score");
  joint_score_ = port("joint_score");
  class_ = port("class");
  map_ = port("map");
  std::array<char, 64> name{};
  std::size_t n = meta_.decision.copy(name.data(), 48);
  n += std::string_view("_score").copy(name.data() + n, 8);
  decision_ = port({name.data(), n});
  if (!decision_)
    return failure{errc::wrong_product, "the model has no output for its decision score"}.named(name.data(), n);
  if (image_ && session_->u8(*image_).shape.c != 1 && session_->u8(*image_).shape.c != 3)
    return failure{errc::wrong_product, "the model's image has neither one nor three channels"};
  auto feed = series_feed::make(*session_, meta_.sensors);
  if (!feed) return feed.error();
  feed_ = std::move(*feed);
  needed_.resize(meta_.sensors.size());
  if (map_) {
    const extents shape = session_->u8(*map_).shape;
    auto finder = region_finder::create(shape.h, shape.w);
    if (!finder) return finder.error();
    finder_.emplace(std::move(*finder));
  }
  return {};
}

inline void inspector::look(const frame_view& frame, evidence& e) noexcept {
  if (!image_) {  // a model of sensors alone: there is no picture to doubt
    e.frame_present = e.intact = e.caps_match = e.not_repeated = e.well_exposed = true;
    return;
  }
  e.frame_present = frame.data != nullptr;
  if (!e.frame_present) return;
  e.caps_match = frame.width == width() && frame.height == height() &&
                 frame.stride >= std::ptrdiff_t{frame.width} * bytes_per_pixel(frame.format);
  if (!e.caps_match) return;
  const frame_health health = check_frame(frame);
  e.well_exposed = well_exposed(health, options_.exposure);
  e.not_repeated = !options_.refuse_repeats || !last_fingerprint_ || *last_fingerprint_ != health.fingerprint;
  last_fingerprint_ = health.fingerprint;
  load_frame(frame, meta_.bgr ? pixel_format::bgr : pixel_format::rgb, session_->u8(*image_));
}

inline const inspection& inspector::inspect(const frame_view& frame, std::span<const sensor_span> sensors,
                                            const frame_context& context) noexcept {
  const auto start = options_.now();
  last_ = inspection{};
  last_.frame_id = context.frame_id;
  last_.threshold = threshold();
  evidence e;
  e.model_armed = true;  // open() hands out no inspector whose self-test failed
  e.tag_match = true;
  e.log_durable = true;  // no log is asked for here
  look(frame, e);
  e.intact = e.frame_present && !context.damaged;
  e.fresh = start - context.arrival <= options_.max_age;
  const auto checked = options_.now();

  for (std::size_t i = 0; i < needed_.size(); ++i) {
    const auto found = std::find_if(sensors.begin(), sensors.end(),
                                    [&](const sensor_span& s) { return s.name == meta_.sensors[i].name; });
    needed_[i] = found != sensors.end() ? &*found : nullptr;
  }
  const series_feed::report series = feed_.feed(*session_, needed_);
  e.sensors_good = !feed_.present() || (series.usable && series.warm);
  const auto felt = options_.now();

  const bool picture = e.caps_match && e.intact && e.frame_present;
  if (frame_program_ && (picture || !image_)) {
    set_flag(has_image_, picture);
    set_flag(has_series_, feed_.present() && series.usable && series.warm);
    session_->run(*frame_program_);
  }
  if (!frame_program_ || picture || !image_) read_scores(e);
  const auto inferred = options_.now();
  if (options_.heat_map && picture) read_map();
  const auto done = options_.now();

  last_.latency = done - context.arrival;
  e.in_time = last_.latency <= options_.deadline;
  const decision d = decide(e);
  last_.verdict = d.verdict;
  last_.reason = d.reason;
  last_.stage = {checked - start, felt - checked, inferred - felt, done - inferred};
  return last_;
}

inline void inspector::read_scores(evidence& e) noexcept {
  last_.image_score = scalar(image_score_);
  last_.series_score = scalar(series_score_);
  last_.joint_score = scalar(joint_score_);
  last_.score = scalar(decision_);
  e.score_valid = std::isfinite(last_.score);
  e.defect = !(last_.score < last_.threshold);
  if (class_ && e.defect) {
    const auto scores = session_->f32(*class_);
    last_.label = static_cast<std::int32_t>(std::max_element(scores.data, scores.data + scores.shape.c) - scores.data);
  }
}

inline void inspector::read_map() noexcept {
  if (!map_) return;
  last_.heat = session_->u8(*map_);
  const auto threshold = static_cast<std::uint8_t>(std::clamp(meta_.map_threshold * 255.0f, 1.0f, 255.0f));
  const auto found = finder_->find(last_.heat, threshold);
  const auto w = static_cast<float>(last_.heat.shape.w), h = static_cast<float>(last_.heat.shape.h);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& box = found[i].box;
    regions_[i] = {static_cast<float>(box.left) / w, static_cast<float>(box.top) / h, static_cast<float>(box.right) / w,
                   static_cast<float>(box.bottom) / h, static_cast<float>(found[i].peak) / 255.0f};
  }
  last_.regions = {regions_.data(), found.size()};
}

}  // namespace dsmm::inline DSMM_ABI
