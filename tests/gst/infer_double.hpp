// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/check/gstharness.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "dsmm/core/executor.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/gst/infer_element.hpp"
#include "started.hpp"

namespace dsmm::test {

/// An inspector with the real one's interface and a model one can do in the head: score = mean brightness / 255 + bias.
/// Its file is text: "double WIDTH HEIGHT BIAS SLOW_MS [SENSOR RATE CHANNELS]...". It also notices two threads in one
/// inspector, and counts how many are alive.
class inspector_double {
public:
  struct options {
    executor exec{};
    std::chrono::nanoseconds deadline{};
    float threshold = 0;
    bool refuse_repeats = true;
  };
  struct context {
    std::uint64_t frame_id = 0;
    std::chrono::nanoseconds arrival{};
    bool damaged = false;
  };
  struct need {
    std::string name;
    double rate_hz = 0;
    std::uint32_t channels = 0;
  };
  static inline std::atomic<int> alive{0}, collisions{0}, resets{0};

  static result<inspector_double> open(std::span<const std::byte> file, const options& o) {
    std::istringstream text(std::string(reinterpret_cast<const char*>(file.data()), file.size()));
    inspector_double self(o);
    std::string magic;
    text >> magic;
    if (magic != "double") return failure{errc::bad_magic, "not a model of the double"};
    text >> self.width_ >> self.height_ >> self.bias_ >> self.slow_ms_;
    if (!text) return failure{errc::truncated, "the model ends early"};
    for (need n; text >> n.name >> n.rate_hz >> n.channels;) self.sensors_.push_back(n);
    self.identity_ = "id" + std::to_string(self.bias_);
    std::this_thread::sleep_for(std::chrono::milliseconds(self.slow_ms_));
    return self;
  }
  inspector_double(inspector_double&& other) noexcept
      : options_(other.options_),
        width_(other.width_),
        height_(other.height_),
        slow_ms_(other.slow_ms_),
        bias_(other.bias_),
        sensors_(std::move(other.sensors_)),
        identity_(std::move(other.identity_)) {
    ++alive;
  }
  ~inspector_double() { --alive; }

  std::int32_t width() const { return width_; }
  std::int32_t height() const { return height_; }
  std::span<const need> sensors() const { return sensors_; }
  std::string_view label(std::int32_t i) const { return i == 0 ? "scratch" : ""; }
  std::string_view identity() const { return identity_; }
  std::string_view product() const { return "washer"; }
  void reset() { ++resets; }

  const inspection& inspect(const frame_view& f, std::span<const sensor_span> sensors, const context& c) noexcept {
    if (inside_.exchange(true)) ++collisions;
    last_ = {};
    last_.frame_id = c.frame_id;
    last_.threshold = std::isnan(options_.threshold) ? 0.5f : options_.threshold;
    last_.series_score = static_cast<float>(sensors.size());
    last_.latency = std::chrono::steady_clock::now().time_since_epoch() - c.arrival;
    if (f.data != nullptr) {
      const std::int32_t bytes = bytes_per_pixel(f.format) == 4 ? 4 : 1;
      std::uint64_t sum = 0, count = 0;
      for (std::int32_t y = 0; y < f.height; ++y)
        for (std::int32_t x = 0; x < f.width * bytes_per_pixel(f.format); ++x)
          if (bytes == 1 || x % 4 != 3) sum += f.data[y * f.stride + x], ++count;
      last_.score = static_cast<float>(static_cast<double>(sum) / static_cast<double>(count) / 255) + bias_;
      last_.verdict = last_.score >= last_.threshold ? verdict::fail : verdict::pass;
      last_.reason = reason::none;
    }
    if (c.damaged) last_.verdict = verdict::unknown, last_.reason = reason::integrity;
    if (last_.latency > options_.deadline) last_.verdict = verdict::unknown, last_.reason = reason::deadline;
    if (last_.verdict == verdict::fail) {
      last_.label = 0;
      last_.regions = {&region_, 1};
    }
    heat_.fill(static_cast<std::uint8_t>(last_.score * 100));
    last_.heat = dense_view<const std::uint8_t>(heat_.data(), {6, 8, 1});
    inside_ = false;
    return last_;
  }

private:
  explicit inspector_double(const options& o) : options_(o) { ++alive; }
  options options_;
  std::int32_t width_ = 0, height_ = 0, slow_ms_ = 0;
  float bias_ = 0;
  std::vector<need> sensors_;
  std::string identity_;
  std::array<std::uint8_t, 48> heat_{};
  region region_{0.25f, 0.5f, 0.5f, 0.75f, 0.9f};
  inspection last_{};
  std::atomic<bool> inside_{false};
};

struct double_policy {
  using inspector = inspector_double;
  using options = inspector_double::options;
  using context = inspector_double::context;
  static constexpr const char* type_name = "DsmmTestInfer";
  static std::span<const sensor_span> sensors(GstBuffer*) { return {}; }
};
using infer_under_test = gst::basic_infer<double_policy>;

/// Registers the element `testinfer` and starts GStreamer.
inline void start_with_double() {
  start_gstreamer();
  static const bool once = gst_element_register(nullptr, "testinfer", GST_RANK_NONE, gst::type_of<infer_under_test>());
  static_cast<void>(once);
}

/// A model file of the double that is removed again.
class model_file {
public:
  explicit model_file(const std::string& text) {
    static std::atomic<int> next{0};
    path_ = (std::filesystem::temp_directory_path() /
             ("dsmm-double-" + std::to_string(getpid()) + "-" + std::to_string(next++)))
                .string();
    std::ofstream(path_) << text;
  }
  model_file(const model_file&) = delete;
  model_file& operator=(const model_file&) = delete;
  ~model_file() { std::remove(path_.c_str()); }
  const char* path() const { return path_.c_str(); }

private:
  std::string path_;
};

struct harness_deleter {
  void operator()(GstHarness* h) const { gst_harness_teardown(h); }
};
using harness = std::unique_ptr<GstHarness, harness_deleter>;

/// A playing harness around one element of the double.
inline harness make_harness(const char* model, const char* format, int width, int height) {
  start_with_double();
  GstElement* const element = gst_element_factory_make("testinfer", nullptr);
  g_object_set(element, "model-file", model, nullptr);
  harness h(gst_harness_new_with_element(element, "sink", "src"));
  gst_object_unref(element);
  gst_harness_set_src_caps(
      h.get(), gst_caps_new_simple("video/x-raw", "format", G_TYPE_STRING, format, "width", G_TYPE_INT, width, "height",
                                   G_TYPE_INT, height, "framerate", GST_TYPE_FRACTION, 30, 1, nullptr));
  return h;
}

/// A buffer of `size` bytes of one value, stamped as frame `index` of 30 a second.
inline GstBuffer* filled(std::size_t size, std::uint8_t value, std::uint64_t index = 0) {
  GstBuffer* const b = gst_buffer_new_allocate(nullptr, size, nullptr);
  gst_buffer_memset(b, 0, value, size);
  GST_BUFFER_PTS(b) = gst_util_uint64_scale(index, GST_SECOND, 30);
  GST_BUFFER_DURATION(b) = GST_SECOND / 30;
  return b;
}

/// Takes the messages off an element's bus; counts those of a name.
class bus_of {
public:
  explicit bus_of(GstElement* element) : element_(element), bus_(gst_bus_new()) { gst_element_set_bus(element, bus_); }
  ~bus_of() {
    gst_element_set_bus(element_, nullptr);
    gst_object_unref(bus_);
  }
  /// Waits up to `patience` for a message of that structure name; owned by the caller, null if none came.
  GstMessage* wait(const char* name, GstClockTime patience = 5 * GST_SECOND) {
    while (GstMessage* const m = gst_bus_timed_pop(bus_, patience)) {
      const GstStructure* const s = gst_message_get_structure(m);
      if (s != nullptr && gst_structure_has_name(s, name)) return m;
      gst_message_unref(m);
    }
    return nullptr;
  }
  int count(const char* name) {
    int n = 0;
    while (GstMessage* const m = wait(name, 0)) gst_message_unref(m), ++n;
    return n;
  }
  /// The next message of a type, or null.
  GstMessage* next(GstMessageType type) { return gst_bus_pop_filtered(bus_, type); }

private:
  GstElement* element_;
  GstBus* bus_;
};

}  // namespace dsmm::test
