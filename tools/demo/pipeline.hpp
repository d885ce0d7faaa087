// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <gst/gst.h>

#include <string>
#include <vector>

#include "tools/demo/player.hpp"

namespace dsmm::inline DSMM_ABI::demo {

struct object_unref {
  void operator()(void* object) const noexcept { gst_object_unref(object); }
};
template <class T>
using object_ref = std::unique_ptr<T, object_unref>;

/// The elements of one line: per source an appsrc, then dsmmfuse, dsmminfer and the appsink.
class line_pipeline {
public:
  /// Registers dsmm's elements with GStreamer; once per process.
  static void initialize();

  /// Builds the pipeline; `live` sources follow the clock. Returns false and fills `why` if an element is missing.
  bool build(const line::line_description& about, const player_options& options, line::complaint& why);
  ~line_pipeline();

  GstElement* pipeline() const noexcept { return pipeline_.get(); }
  GstAppSink* sink() const noexcept { return sink_; }
  bool push_picture(const line::picture& picture, std::int64_t pts_ns, std::uint64_t id);
  bool push_chunk(std::size_t sensor, const line::sensor_chunk& chunk, std::int64_t pts_ns);
  /// The sensor will not send again.
  void end_sensor(std::size_t sensor);
  void end();

  /// The first error on the bus in plain words, or an empty text; counts the sensors' messages into `result`.
  std::string poll(run_result& result);

private:
  GstAppSrc* add_source(const std::string& name, const std::string& caps, bool live, bool camera);

  object_ref<GstElement> pipeline_;
  GstAppSrc* camera_ = nullptr;
  GstAppSink* sink_ = nullptr;
  std::vector<GstAppSrc*> sensors_;
};

}  // namespace dsmm::inline DSMM_ABI::demo
