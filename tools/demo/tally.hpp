// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "dsmm/inspect/inspection.hpp"
#include "tools/line/part_plan.hpp"

namespace dsmm::inline DSMM_ABI::demo {

/// One part as the line's end saw it.
struct judged_part {
  std::string part, kind, label;
  bool truth_known = false, defective = false, damaged = false, complete = true;
  bool came_out = true;  ///< false: the pipeline let go of its picture
  line::evidence seen_by = line::evidence::none;
  dsmm::verdict verdict = dsmm::verdict::unknown;
  dsmm::reason reason = dsmm::reason::no_frame;
  double score = 0, threshold = 0, image = 0, series = 0, joint = 0;
  double decision_ms = 0;   ///< arrival of the frame to the decision
  double delivered_ms = 0;  ///< hand-over of the frame to the result in the application
  double stage_ms[4] = {};  ///< check, series, network, map
};

/// Scores above which one modality alone calls a part defective; NaN if the model has no such head.
struct single_limits {
  double image = std::numeric_limits<double>::quiet_NaN(), series = std::numeric_limits<double>::quiet_NaN();
};

/// How a way of deciding did on parts whose truth is known.
struct outcome {
  std::int64_t hits = 0, misses = 0, false_alarms = 0, correct_good = 0;

  void add(bool defective, bool alarm) noexcept {
    ++(defective ? (alarm ? hits : misses) : (alarm ? false_alarms : correct_good));
  }
  std::int64_t parts() const noexcept { return hits + misses + false_alarms + correct_good; }
  double accuracy() const noexcept { return ratio(hits + correct_good, parts()); }
  double detection() const noexcept { return ratio(hits, hits + misses); }
  double false_alarm_rate() const noexcept { return ratio(false_alarms, false_alarms + correct_good); }
  static double ratio(std::int64_t a, std::int64_t b) noexcept {
    return b == 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(a) / static_cast<double>(b);
  }
};

/// One line of the table: how many parts of a kind each way of deciding called defective.
struct kind_row {
  std::string kind;
  bool defective = false;
  line::evidence seen_by = line::evidence::none;
  std::int64_t parts = 0, image_alarms = 0, series_alarms = 0, joint_alarms = 0, unknown = 0;

  /// Shares of the judged parts that were called defective; NaN where the model has no such head.
  double image_share(const single_limits& l) const noexcept { return share(image_alarms, l.image); }
  double series_share(const single_limits& l) const noexcept { return share(series_alarms, l.series); }
  double joint_share() const noexcept { return share(joint_alarms, 0); }

private:
  double share(std::int64_t alarms, double limit) const noexcept {
    return std::isnan(limit) ? limit : outcome::ratio(alarms, parts - unknown);
  }
};

/// Where a part lies in the plane of the two single scores.
struct scored_part {
  double image, series;
  line::evidence seen_by;
  std::string kind;
};

/// Counts a run. Without truth only verdicts and latencies are counted.
class tally {
public:
  explicit tally(single_limits limits = {}) noexcept : limits_(limits) {}

  void add(const judged_part& p) {
    ++count_[static_cast<std::size_t>(p.verdict)];
    if (p.verdict == verdict::unknown) ++reasons_[to_string(p.reason)];
    late_ += p.reason == reason::deadline;
    damaged_ += p.damaged;
    incomplete_ += !p.complete;
    ++parts_;
    if (p.came_out) {
      decision_ms_.push_back(p.decision_ms);
      delivered_ms_.push_back(p.delivered_ms);
    }
    for (std::size_t i = 0; i < 4; ++i) stage_ms_[i] += p.stage_ms[i];
    if (!p.truth_known) return;
    const bool image = p.image >= limits_.image, series = p.series >= limits_.series;  // false if the limit is NaN
    const bool alarm = p.verdict == verdict::fail;
    kind_row& row = row_of(p);
    ++row.parts;
    if (p.verdict == verdict::unknown) {  // not judged: neither right nor wrong
      ++row.unknown;
      return;
    }
    row.image_alarms += image, row.series_alarms += series, row.joint_alarms += alarm;
    if (!std::isnan(limits_.image)) image_.add(p.defective, image);
    if (!std::isnan(limits_.series)) series_.add(p.defective, series);
    joint_.add(p.defective, alarm);
    if (points_.size() < most_points) points_.push_back({p.image, p.series, p.seen_by, p.kind});
  }

  std::int64_t parts() const noexcept { return parts_; }
  std::int64_t count(verdict v) const noexcept { return count_[static_cast<std::size_t>(v)]; }
  std::int64_t late() const noexcept { return late_; }
  std::int64_t damaged() const noexcept { return damaged_; }
  std::int64_t incomplete() const noexcept { return incomplete_; }
  const std::map<std::string, std::int64_t>& reasons() const noexcept { return reasons_; }
  const outcome& image() const noexcept { return image_; }
  const outcome& series() const noexcept { return series_; }
  const outcome& joint() const noexcept { return joint_; }
  const std::vector<scored_part>& points() const noexcept { return points_; }
  const single_limits& limits() const noexcept { return limits_; }
  const std::vector<double>& decisions_ms() const noexcept { return decision_ms_; }
  const std::vector<double>& deliveries_ms() const noexcept { return delivered_ms_; }
  double mean_stage_ms(std::size_t stage) const noexcept {
    return stage_ms_[stage] / std::max<double>(1, static_cast<double>(decision_ms_.size()));
  }

  /// Good kinds first, then defects in the order of the evidence.
  std::vector<kind_row> rows() const {
    std::vector<kind_row> rows = rows_;
    std::sort(rows.begin(), rows.end(), [](const kind_row& a, const kind_row& b) {
      return std::tie(a.defective, a.seen_by, a.kind) < std::tie(b.defective, b.seen_by, b.kind);
    });
    return rows;
  }

private:
  kind_row& row_of(const judged_part& p) {
    const auto found = std::find_if(rows_.begin(), rows_.end(), [&](const kind_row& r) { return r.kind == p.kind; });
    if (found != rows_.end()) return *found;
    kind_row& row = rows_.emplace_back();
    row.kind = p.kind, row.defective = p.defective, row.seen_by = p.seen_by;
    return row;
  }

  single_limits limits_;
  std::int64_t parts_ = 0, count_[3] = {}, late_ = 0, damaged_ = 0, incomplete_ = 0;
  std::map<std::string, std::int64_t> reasons_;
  outcome image_, series_, joint_;
  std::vector<double> decision_ms_, delivered_ms_;
  double stage_ms_[4] = {};
  std::vector<kind_row> rows_;
  static constexpr std::size_t most_points = 3000;
  std::vector<scored_part> points_;
};

/// Value at the share of a sorted list: the smallest that at least `share` of the values do not exceed; NaN if empty.
inline double percentile(const std::vector<double>& sorted, double share) noexcept {
  if (sorted.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::clamp(rank, 1.0, static_cast<double>(sorted.size()))) - 1];
}

}  // namespace dsmm::inline DSMM_ABI::demo
