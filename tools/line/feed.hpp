// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/line/part_plan.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// A sensor of a line. Regular ones have sample i at time i / rate_hz; irregular ones stamp every record.
struct sensor_stream {
  std::string name, unit;
  double rate_hz = 0;
  int channels = 1;
  bool regular = true;
};

/// What a line delivers: grey pictures of one size, and sensors, all on one time base that starts at 0.
struct line_description {
  std::string title, model;  ///< model: file name of the model made for this line, without folder
  int width = 0, height = 0;
  std::int64_t fps = 60;         ///< nominal
  std::int64_t window_ms = 200;  ///< sensor samples that go with a picture: at least from picture to picture
  std::vector<sensor_stream> sensors;
  double duration_s = 0;  ///< of a recording; 0 = endless
};

/// One exposure. A damaged picture has the reason in `trouble` and must never pass.
struct picture {
  std::int64_t time_ns = 0;
  std::string part, trouble;
  bool damaged = false;
  bool truth_known = false, defective = false;
  std::string kind;  ///< "good", a name of part_kind, or a class of a recorded line
  evidence seen_by = evidence::none;
  std::vector<std::uint8_t> pixels;  ///< width * height
};

/// Samples that a sensor hands over at once. time_ns is that of the first sample.
struct sensor_chunk {
  std::int64_t time_ns = 0;
  std::size_t count = 0;
  std::vector<float> values;  ///< (count, channels)
};

/// A line that can be played: pictures in time order, and each sensor's chunks in time order.
class feed {
public:
  virtual ~feed() = default;
  virtual const line_description& about() const noexcept = 0;
  /// Fills `out`; false after the last picture.
  virtual bool next_picture(picture& out) = 0;
  /// Fills `out`; false after the sensor's last chunk. sensor < about().sensors.size().
  virtual bool next_chunk(std::size_t sensor, sensor_chunk& out) = 0;
};

}  // namespace dsmm::inline DSMM_ABI::line
