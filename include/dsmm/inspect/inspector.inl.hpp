// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/explain/heat_map.hpp"
#include "dsmm/graph/self_test.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/inspect/frame_check.hpp"
#include "dsmm/inspect/gate.hpp"
#include "dsmm/inspect/inspector.hpp"
#include "dsmm/inspect/model_meta.hpp"
#include "dsmm/inspect/series_feed.hpp"
#include "dsmm/model/file.hpp"

namespace dsmm::inline DSMM_ABI {

DSMM_INLINE nanos steady_now() noexcept { return std::chrono::steady_clock::now().time_since_epoch(); }

struct inspector::parts {
  result<void> arm(std::span<const std::byte> file);
  result<void> bind();
  std::optional<std::uint32_t> port(std::string_view name) const noexcept { return source->find_tensor(name); }
  float scalar(const std::optional<std::uint32_t>& tensor) const noexcept {
    return tensor ? run->f32(*tensor).data[0] : std::numeric_limits<float>::quiet_NaN();
  }
  void set_flag(const std::optional<std::uint32_t>& tensor, bool on) noexcept {
    if (tensor) run->f32(*tensor).data[0] = on ? 1.0f : 0.0f;
  }
  float threshold() const noexcept { return std::isnan(options.threshold) ? meta.threshold : options.threshold; }
  extents frame_size() const noexcept { return image ? run->u8(*image).shape : extents{}; }
  const inspection& inspect(const frame_view& frame, std::span<const sensor_span> sensors,
                            const frame_context& context) noexcept;
  void look(const frame_view& frame, evidence& e) noexcept;
  void read_scores(evidence& e) noexcept;
  void read_map() noexcept;

  inspector_options options;
  file_bytes file, arena;
  std::optional<model> source;
  std::optional<session> run;
  model_meta meta;
  series_feed feed;
  std::vector<const sensor_span*> needed;
  std::array<char, 17> identity{};
  std::optional<std::uint32_t> frame_program;
  std::optional<std::uint32_t> image, has_image, has_series, decision_score, image_score, series_score, joint_score,
      classes, map;
  std::optional<region_finder> finder;
  std::array<region, region_finder::capacity> regions{};
  std::optional<std::uint64_t> last_fingerprint;
  inspection last;
};

DSMM_INLINE result<inspector> inspector::open(std::span<const std::byte> file, const inspector_options& options) {
  std::unique_ptr<parts> made(new (std::nothrow) parts);
  if (made == nullptr) return failure{errc::too_large, "no memory for the model"};
  made->options = options;
  if (auto ok = made->arm(file); !ok) return ok.error();
  if (auto ok = made->bind(); !ok) return ok.error();
  return inspector(made.release());
}

DSMM_INLINE inspector::~inspector() { delete parts_; }

DSMM_INLINE std::int32_t inspector::width() const noexcept { return parts_->frame_size().w; }
DSMM_INLINE std::int32_t inspector::height() const noexcept { return parts_->frame_size().h; }
DSMM_INLINE std::span<const sensor_need> inspector::sensors() const noexcept { return parts_->meta.sensors; }
DSMM_INLINE std::string_view inspector::product() const noexcept { return parts_->meta.product; }
DSMM_INLINE std::string_view inspector::label(std::int32_t i) const noexcept {
  const auto& labels = parts_->meta.labels;
  return i >= 0 && static_cast<std::size_t>(i) < labels.size() ? labels[static_cast<std::size_t>(i)]
                                                               : std::string_view{};
}
DSMM_INLINE std::size_t inspector::label_count() const noexcept { return parts_->meta.labels.size(); }
DSMM_INLINE std::string_view inspector::identity() const noexcept { return parts_->identity.data(); }
DSMM_INLINE const model& inspector::source() const noexcept { return *parts_->source; }
DSMM_INLINE float inspector::threshold() const noexcept { return parts_->threshold(); }

DSMM_INLINE const inspection& inspector::inspect(const frame_view& frame, std::span<const sensor_span> sensors,
                                                 const frame_context& context) noexcept {
  return parts_->inspect(frame, sensors, context);
}

DSMM_INLINE void inspector::reset() noexcept {
  parts_->run->reset();
  parts_->feed.restart();
  parts_->last_fingerprint.reset();
}

DSMM_INLINE result<void> inspector::parts::arm(std::span<const std::byte> bytes) {
  auto copy = file_bytes::allocate(bytes.size());
  if (!copy) return copy.error();
  file = std::move(*copy);
  std::copy(bytes.begin(), bytes.end(), file.bytes().begin());
  const auto opened = model::open(std::as_const(file).bytes());
  if (!opened) return opened.error();
  source.emplace(*opened);
  identity = opened->short_identity();
  const session_options settings{options.exec, std::nullopt};
  const auto size = session::required(*source, settings);
  if (!size) return size.error();
  auto memory = file_bytes::allocate(*size);
  if (!memory) return memory.error();
  arena = std::move(*memory);
  auto prepared = session::prepare(*source, arena.bytes(), settings);
  if (!prepared) return prepared.error();
  run.emplace(*prepared);
  if (auto ok = self_test(*run); !ok) return ok.error();
  auto read = model_meta::read(*source);
  if (!read) return read.error();
  meta = std::move(*read);
  return {};
}

DSMM_INLINE result<void> inspector::parts::bind() {
  frame_program = source->find_program("frame");
  image = port("image");
  has_image = port("has_image");
  has_series = port("has_series");
  image_score = port("image_score");
  series_score = port("series_score");
  joint_score = port("joint_score");
  classes = port("class");
  map = port("map");
  std::array<char, 64> name{};
  std::size_t n = meta.decision.copy(name.data(), 48);
  n += std::string_view("_score").copy(name.data() + n, 8);
  decision_score = port({name.data(), n});
  if (!decision_score)
    return failure{errc::wrong_product, "the model has no output for its decision score"}.named(name.data(), n);
  if (image && run->u8(*image).shape.c != 1 && run->u8(*image).shape.c != 3)
    return failure{errc::wrong_product, "the model's image has neither one nor three channels"};
  auto made = series_feed::make(*run, meta.sensors);
  if (!made) return made.error();
  feed = std::move(*made);
  needed.resize(meta.sensors.size());
  if (map) {
    const extents shape = run->u8(*map).shape;
    auto created = region_finder::create(shape.h, shape.w);
    if (!created) return created.error();
    finder.emplace(std::move(*created));
  }
  return {};
}

DSMM_INLINE void inspector::parts::look(const frame_view& frame, evidence& e) noexcept {
  if (!image) {  // a model of sensors alone: there is no picture to doubt
    e.frame_present = e.intact = e.caps_match = e.not_repeated = e.well_exposed = true;
    return;
  }
  e.frame_present = frame.data != nullptr;
  if (!e.frame_present) return;
  const extents size = frame_size();
  e.caps_match = frame.width == size.w && frame.height == size.h &&
                 frame.stride >= std::ptrdiff_t{frame.width} * bytes_per_pixel(frame.format);
  if (!e.caps_match) return;
  const frame_health health = check_frame(frame);
  e.well_exposed = well_exposed(health, options.exposure);
  e.not_repeated = !options.refuse_repeats || !last_fingerprint || *last_fingerprint != health.fingerprint;
  last_fingerprint = health.fingerprint;
  load_frame(frame, meta.bgr ? pixel_format::bgr : pixel_format::rgb, run->u8(*image));
}

DSMM_INLINE const inspection& inspector::parts::inspect(const frame_view& frame, std::span<const sensor_span> sensors,
                                                        const frame_context& context) noexcept {
  const auto start = options.now();
  last = inspection{};
  last.frame_id = context.frame_id;
  last.threshold = threshold();
  evidence e;
  e.model_armed = true;  // open() hands out no inspector whose self-test failed
  e.tag_match = true;
  e.log_durable = true;  // no log is asked for here
  look(frame, e);
  e.intact = e.frame_present && !context.damaged;
  e.fresh = start - context.arrival <= options.max_age;
  const auto checked = options.now();

  for (std::size_t i = 0; i < needed.size(); ++i) {
    const auto found = std::find_if(sensors.begin(), sensors.end(),
                                    [&](const sensor_span& s) { return s.name == meta.sensors[i].name; });
    needed[i] = found != sensors.end() ? &*found : nullptr;
  }
  const series_feed::report series = feed.feed(*run, needed);
  e.sensors_good = !feed.present() || (series.usable && series.warm);
  const auto felt = options.now();

  const bool picture = e.caps_match && e.intact && e.frame_present;
  if (frame_program && (picture || !image)) {
    set_flag(has_image, picture);
    set_flag(has_series, feed.present() && series.usable && series.warm);
    run->run(*frame_program);
  }
  if (!frame_program || picture || !image) read_scores(e);
  const auto inferred = options.now();
  if (options.heat_map && picture) read_map();
  const auto done = options.now();

  last.latency = done - context.arrival;
  e.in_time = last.latency <= options.deadline;
  const decision d = decide(e);
  last.verdict = d.verdict;
  last.reason = d.reason;
  last.stage = {checked - start, felt - checked, inferred - felt, done - inferred};
  return last;
}

DSMM_INLINE void inspector::parts::read_scores(evidence& e) noexcept {
  last.image_score = scalar(image_score);
  last.series_score = scalar(series_score);
  last.joint_score = scalar(joint_score);
  last.score = scalar(decision_score);
  e.score_valid = std::isfinite(last.score);
  e.defect = !(last.score < last.threshold);
  if (classes && e.defect) {
    const auto scores = run->f32(*classes);
    last.label = static_cast<std::int32_t>(std::max_element(scores.data, scores.data + scores.shape.c) - scores.data);
  }
}

DSMM_INLINE void inspector::parts::read_map() noexcept {
  if (!map) return;
  last.heat = run->u8(*map);
  const auto threshold = static_cast<std::uint8_t>(std::clamp(meta.map_threshold * 255.0f, 1.0f, 255.0f));
  const auto found = finder->find(last.heat, threshold);
  const auto w = static_cast<float>(last.heat.shape.w), h = static_cast<float>(last.heat.shape.h);
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto& box = found[i].box;
    regions[i] = {static_cast<float>(box.left) / w, static_cast<float>(box.top) / h, static_cast<float>(box.right) / w,
                  static_cast<float>(box.bottom) / h, static_cast<float>(found[i].peak) / 255.0f};
  }
  last.regions = {regions.data(), found.size()};
}

}  // namespace dsmm::inline DSMM_ABI
