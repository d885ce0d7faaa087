// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/demo/tally.hpp"
#include "tools/line/feed.hpp"
#include "tools/line/recorded.hpp"

namespace dsmm::inline DSMM_ABI::demo {

struct buffer_unref {
  void operator()(GstBuffer* b) const noexcept { gst_buffer_unref(b); }
};
using buffer_ref = std::unique_ptr<GstBuffer, buffer_unref>;

/// A part kept for the report: its frame still carries the result and the sensor window.
struct exhibit {
  judged_part part;
  buffer_ref frame;
};

struct player_options {
  std::string model_file;  ///< empty: the line is played without inspection
  bool real_time = true;   ///< pace by the clock; else as fast as the pipeline takes it
  double speed = 1;        ///< recorded time per wall time, real time only
  std::int64_t parts = 0;  ///< stop after so many pictures; 0 = all
  double deadline_ms = 50;
  std::size_t most_exhibits = 18;

  /// Sources follow the clock, as cameras do.
  bool live() const noexcept { return real_time && speed == 1; }
};

/// A kind of damage that was met, and how often.
struct damage_note {
  std::string what, first_part;
  std::int64_t parts = 0;
};

/// What came out of a run.
struct run_result {
  tally counts;
  std::vector<exhibit> exhibits;
  double wall_s = 0;                      ///< first push to last result
  double busy_s = 0;                      ///< of it, making pictures and samples
  std::int64_t stale = 0, recovered = 0;  ///< bus messages of dsmmfuse
  std::vector<damage_note> damaged;       ///< at most 20 different ones
  bool stopped = false;                   ///< the user ended it
};

/// Plays a line through appsrc -> dsmmfuse -> dsmminfer -> appsink, every picture and sample in time order.
/// progress(counts) is called about five times a second from this thread. `stop` ends the run early and cleanly.
/// Returns false and fills `why` if the pipeline could not run.
bool play(line::feed& feed, const player_options& options, const single_limits& limits, const std::atomic<bool>& stop,
          const std::function<void(const tally&)>& progress, run_result& out, line::complaint& why);

}  // namespace dsmm::inline DSMM_ABI::demo
