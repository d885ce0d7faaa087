// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <algorithm>
#include <chrono>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// What the sources of dsmmfuse say about their delay.
struct fuse_latency {
  bool live = false;           ///< at least one source follows a clock
  GstClockTime video_min = 0;  ///< delay of the frames
  GstClockTime video_max = GST_CLOCK_TIME_NONE;
  GstClockTime sensor_min = 0;  ///< delay of the slowest live sensor

  /// How long a frame waits for samples that are late by design: a sensor that sends 50 ms at a time.
  std::chrono::nanoseconds lag() const noexcept {
    constexpr GstClockTime most = 10 * GST_SECOND;
    return std::chrono::nanoseconds(
        static_cast<std::int64_t>(std::min(sensor_min > video_min ? sensor_min - video_min : 0, most)));
  }
};

/// Asks everything upstream of the element. Call from a streaming thread or a query, without locks.
inline fuse_latency query_latency(GstElement* element, GstPad* video) {
  struct visit {
    fuse_latency latency;
    GstPad* video;
  } state{{}, video};
  gst_element_foreach_sink_pad(
      element,
      [](GstElement*, GstPad* pad, gpointer data) -> gboolean {
        auto& s = *static_cast<visit*>(data);
        GstQuery* const query = gst_query_new_latency();
        if (gst_pad_peer_query(pad, query)) {
          gboolean live = FALSE;
          GstClockTime min = 0, max = GST_CLOCK_TIME_NONE;
          gst_query_parse_latency(query, &live, &min, &max);
          s.latency.live = s.latency.live || live;
          if (pad == s.video) {
            s.latency.video_min = live ? min : 0;
            s.latency.video_max = live ? max : GST_CLOCK_TIME_NONE;
          } else if (live) {
            s.latency.sensor_min = std::max(s.latency.sensor_min, min);
          }
        }
        gst_query_unref(query);
        return TRUE;
      },
      &state);
  return state.latency;
}

}  // namespace dsmm::inline DSMM_ABI::gst
