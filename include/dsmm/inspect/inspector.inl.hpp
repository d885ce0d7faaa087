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
#include "dsmm/graph/elastic_session.hpp"
#include "dsmm/graph/self_test.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/inspect/frame_check.hpp"
#include "dsmm/inspect/gate.hpp"
#include "dsmm/inspect/inspector.hpp"
#include "dsmm/inspect/level_choice.hpp"
#include "dsmm/inspect/level_ports.hpp"
#include "dsmm/inspect/load_frame.hpp"
#include "dsmm/inspect/model_meta.hpp"
#include "dsmm/inspect/series_feed.hpp"
#include "dsmm/model/file.hpp"

namespace dsmm::inline DSMM_ABI {

DSMM_INLINE nanos steady_now() noexcept { return std::chrono::steady_clock::now().time_since_epoch(); }

struct inspector::parts {
  /// Times taken of each level when a model with several is opened.
  static constexpr std::uint32_t timed_runs = 16;

  result<void> arm(std::span<const std::byte> file);
  result<void> bind();
  result<void> bind_level(std::uint32_t k);
  void time_levels() noexcept;
  float threshold(std::uint32_t level) const noexcept {
    return std::isnan(options.threshold) ? ports[level].threshold : options.threshold;
  }
  extents frame_size() const noexcept { return level_ports::extents_of(run->at(0), ports[0].image); }
  const inspection& inspect(const frame_view& frame, std::span<const sensor_span> sensors,
                            const frame_context& context) noexcept;
  void look(const frame_view& frame, evidence& e) noexcept;
  std::uint32_t choose(const frame_context& context, nanos now) const noexcept;
  nanos infer(const frame_view* picture, bool series) noexcept;
  void read_scores(evidence& e) noexcept;
  void read_map() noexcept;

  inspector_options options;
  file_bytes file, arena;
  std::optional<model> source;
  std::optional<elastic_session> run;
  std::vector<level_ports> ports;  ///< by level
  level_choice choice{1};
  nanos around{};   ///< what a part costs beside its run, lately at most
  model_meta meta;  ///< of the largest level
  series_feed feed;
  std::vector<const sensor_span*> needed;
  std::array<char, 17> identity{};
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
DSMM_INLINE float inspector::threshold() const noexcept { return parts_->threshold(0); }
DSMM_INLINE std::uint32_t inspector::levels() const noexcept { return parts_->run->levels(); }
DSMM_INLINE float inspector::level_share(std::uint32_t level) const noexcept { return parts_->run->share(level); }

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
  const auto size = elastic_session::required(*source, settings);
  if (!size) return size.error();
  auto memory = file_bytes::allocate(*size);
  if (!memory) return memory.error();
  arena = std::move(*memory);
  auto prepared = elastic_session::prepare(*source, arena.bytes(), settings);
  if (!prepared) return prepared.error();
  run.emplace(std::move(*prepared));
  for (std::uint32_t k = 0; k < run->levels(); ++k)
    if (auto ok = self_test(run->at(k)); !ok) return ok.error();
  return {};
}

DSMM_INLINE result<void> inspector::parts::bind() {
  for (std::uint32_t k = 0; k < run->levels(); ++k)
    if (auto ok = bind_level(k); !ok) return ok.error();
  auto made = series_feed::make(*run, meta.sensors);
  if (!made) return made.error();
  feed = std::move(*made);
  needed.resize(meta.sensors.size());
  if (ports[0].map) {
    const extents shape = run->at(0).u8(*ports[0].map).shape;
    auto created = region_finder::create(shape.h, shape.w);
    if (!created) return created.error();
    finder.emplace(std::move(*created));
  }
  time_levels();
  return {};
}

DSMM_INLINE result<void> inspector::parts::bind_level(std::uint32_t k) {
  const session& s = run->at(k);
  auto read = model_meta::read(s.source());
  if (!read) return read.error();
  const auto bound = level_ports::bind(s, *read);
  if (!bound) return bound.error();
  if (k != 0) {
    const auto same = [&](const level_ports::port& a, const level_ports::port& b) {
      return level_ports::extents_of(run->at(0), a) == level_ports::extents_of(s, b);
    };
    if (!same(ports[0].image, bound->image) || !same(ports[0].map, bound->map) || read->bgr != meta.bgr ||
        read->sensors != meta.sensors || read->labels != meta.labels ||
        bound->frame_program.has_value() != ports[0].frame_program.has_value())
      return failure{errc::wrong_product, "the levels of the model differ in the picture, the sensors or the labels",
                     k};
  } else {
    meta = std::move(*read);
  }
  ports.push_back(*bound);
  return {};
}

/// On whatever the inputs hold, since times do not depend on it.
DSMM_INLINE void inspector::parts::time_levels() noexcept {
  if (run->levels() == 1 || !ports[0].frame_program) return;
  choice = level_choice(run->levels(), timed_runs);
  for (std::uint32_t k = 0; k < run->levels(); ++k)
    for (std::uint32_t i = 0; i <= timed_runs; ++i) {
      const auto start = options.now();
      run->run(k, *ports[k].frame_program);
      if (i != 0) choice.record(k, options.now() - start);  // the first finds cold caches
    }
  run->reset();
}

DSMM_INLINE void inspector::parts::look(const frame_view& frame, evidence& e) noexcept {
  if (!ports[0].image) {  // a model of sensors alone: there is no picture to doubt
    e.frame_present = e.intact = e.caps_match = e.not_repeated = e.well_exposed = true;
    return;
  }
  e.frame_present = frame.data != nullptr;
  if (!e.frame_present) return;
  const extents size = frame_size();
  e.caps_match = frame.width == size.w && frame.height == size.h && frame.complete();
  if (!e.caps_match) return;
  const frame_health health = check_frame(frame);
  e.well_exposed = well_exposed(health, options.exposure);
  e.not_repeated = !options.refuse_repeats || !last_fingerprint || *last_fingerprint != health.fingerprint;
  last_fingerprint = health.fingerprint;
}

DSMM_INLINE std::uint32_t inspector::parts::choose(const frame_context& context, nanos now) const noexcept {
  const std::uint32_t levels = run->levels();
  if (context.level != frame_context::by_deadline) return std::min(context.level, levels - 1);
  if (levels == 1) return 0;
  const nanos spent = std::max(now - context.arrival, nanos{});
  return choice.choose(options.deadline - spent - around).level;
}

/// Runs the chosen level. picture  nullptr: none came. Returns the time of the run alone.
DSMM_INLINE nanos inspector::parts::infer(const frame_view* picture, bool series) noexcept {
  session& s = run->at(last.level);
  const level_ports& p = ports[last.level];
  if (picture != nullptr && p.image)
    load_frame(*picture, meta.bgr ? pixel_format::bgr : pixel_format::rgb, s.u8(*p.image));
  level_ports::set_flag(s, p.has_image, picture != nullptr);
  level_ports::set_flag(s, p.has_series, series);
  const auto start = options.now();
  s.run(*p.frame_program);
  return options.now() - start;
}

DSMM_INLINE const inspection& inspector::parts::inspect(const frame_view& frame, std::span<const sensor_span> sensors,
                                                        const frame_context& context) noexcept {
  const auto start = options.now();
  last = inspection{};
  last.frame_id = context.frame_id;
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

  const bool picture = e.caps_match && e.intact && e.frame_present, image = ports[0].image.has_value();
  last.level = choose(context, felt);
  last.threshold = threshold(last.level);
  const bool infers = ports[0].frame_program && (picture || !image);
  nanos ran{};
  if (infers) ran = infer(picture ? &frame : nullptr, feed.present() && series.usable && series.warm);
  if (!ports[0].frame_program || picture || !image) read_scores(e);
  const auto inferred = options.now();
  if (options.heat_map && picture) read_map();
  const auto done = options.now();

  if (infers) {
    choice.record(last.level, ran);
    around = std::max(done - felt - ran, nanos(around.count() - around.count() / 8));
  }
  last.latency = done - context.arrival;
  e.in_time = last.latency <= options.deadline;
  const decision d = decide(e);
  last.verdict = d.verdict;
  last.reason = d.reason;
  last.stage = {checked - start, felt - checked, inferred - felt, done - inferred};
  return last;
}

DSMM_INLINE void inspector::parts::read_scores(evidence& e) noexcept {
  const session& s = run->at(last.level);
  const level_ports& p = ports[last.level];
  last.image_score = level_ports::scalar(s, p.image_score);
  last.series_score = level_ports::scalar(s, p.series_score);
  last.joint_score = level_ports::scalar(s, p.joint_score);
  last.score = level_ports::scalar(s, p.decision_score);
  e.score_valid = std::isfinite(last.score);
  e.defect = !(last.score < last.threshold);
  if (p.classes && e.defect) {
    const auto scores = s.f32(*p.classes);
    last.label = static_cast<std::int32_t>(std::max_element(scores.data, scores.data + scores.shape.c) - scores.data);
  }
}

DSMM_INLINE void inspector::parts::read_map() noexcept {
  const level_ports& p = ports[last.level];
  if (!p.map) return;
  last.heat = run->at(last.level).u8(*p.map);
  const auto threshold = static_cast<std::uint8_t>(std::clamp(p.map_threshold * 255.0f, 1.0f, 255.0f));
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
