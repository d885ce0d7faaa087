// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/gst/element.hpp"
#include "dsmm/gst/fuse_latency.hpp"
#include "dsmm/gst/fuse_pad.hpp"
#include "dsmm/gst/sensor_caps.hpp"
#include "dsmm/gst/sensor_meta.hpp"
#include "dsmm/stream/join.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// `dsmmfuse`: gives every video frame what the sensors measured until then, by running time (sensor_meta.hpp).
///
/// Frames go through in the thread that brings them. A frame waits at most max-wait beyond the sources' own delay, on
/// the pipeline's clock; a sensor that let one wait in vain is not waited for again until it has caught up. Sensor
/// chunks go straight into the joiner, so a sensor needs no queue, and in a live pipeline never blocks. Without a clock
/// to follow, frames wait for their samples and sensors that run ahead wait for the frames.
class fuse {
public:
  using base_instance = GstElement;
  using base_class = GstElementClass;
  static constexpr const char* type_name = "Dsmm0Fuse";
  static GType base_type() { return GST_TYPE_ELEMENT; }
  static std::span<const property<fuse>> properties();
  static void describe(GstElementClass* klass);
  static void add_interfaces(GType type);

  explicit fuse(GstElement* self) noexcept;
  fuse(const fuse&) = delete;
  fuse& operator=(const fuse&) = delete;

private:
  using nanoseconds = std::chrono::nanoseconds;
  using lock = std::unique_lock<std::mutex>;

  /// A source that neither sends nor ends blocks a pipeline without a clock for this long, once.
  static constexpr nanoseconds stall = std::chrono::seconds(5);
  /// Samples placed under one lock.
  static constexpr std::size_t slice_rows = 64;

  // class functions
  GstPad* request_new_pad(GstPadTemplate* pad_template, const gchar* name, const GstCaps* caps);
  void release_pad(GstPad* pad);
  GstStateChangeReturn change_state(GstStateChange change);

  // pad functions
  GstFlowReturn chain_video(GstPad* pad, GstBuffer* buffer);
  GstFlowReturn chain_sensor(GstPad* pad, GstBuffer* buffer);
  gboolean video_event(GstPad* pad, GstEvent* event);
  gboolean sensor_event(GstPad* pad, GstEvent* event);
  gboolean src_event(GstPad* pad, GstEvent* event);
  gboolean src_query(GstPad* pad, GstQuery* query);
  GstIterator* linked_pads(GstPad* pad);

  // the time line
  nanoseconds frame_time(const GstBuffer* buffer);
  std::optional<nanoseconds> clock_time() const;
  std::optional<join_step> wait_for_sensors(lock& held, nanoseconds time);
  void sleep(lock& held, nanoseconds until_running_time);
  bool has_room(lock& held, sensor_pad& pad);
  void wake();
  void refresh_latency();
  void restart_video() noexcept;
  void rebuild();

  // what goes out
  GstFlowReturn send(GstBuffer* buffer, shared_sensor_block* block);
  void note_change(sensor_pad& pad, const sensor_span& span, const GstBuffer* buffer,
                   std::vector<GstMessage*>& messages);
  GstStructure* stats();

  sensor_pad* configured(GstPad* pad, GstCaps* caps);
  std::size_t index_of(const sensor_pad& pad) const noexcept {
    return static_cast<std::size_t>(std::find(pads_.begin(), pads_.end(), &pad) - pads_.begin());
  }

  GstElement* self_;
  GstPad* video_ = nullptr;
  GstPad* src_ = nullptr;
  GstSegment segment_;

  std::mutex mutex_;  ///< everything below; never held while something is pushed, queried or posted
  std::condition_variable changed_;
  join_options options_;
  joiner joiner_;
  std::vector<sensor_pad*> pads_;  ///< in the joiner's order
  sensor_block_pool blocks_;
  GstClockID waiting_ = nullptr;  ///< the clock entry on which a frame waits
  nanoseconds horizon_{};         ///< running time of the newest frame
  nanoseconds frame_end_{};       ///< where a frame without a stamp is put
  fuse_latency latency_;
  bool latency_known_ = false;
  bool flushing_ = false;  ///< of the video, or the element stops
  bool video_ended_ = false;
  guint next_pad_ = 0;
  std::uint64_t frames_ = 0, incomplete_ = 0, timed_out_ = 0;
  nanoseconds longest_wait_{};
};

}  // namespace dsmm::inline DSMM_ABI::gst

#include "dsmm/gst/fuse_class.hpp"
#include "dsmm/gst/fuse_stream.hpp"
