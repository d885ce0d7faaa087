// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/stream/join.hpp"
#include "dsmm/stream/sensor_span.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// What the sensors measured until a frame, copied once and then shared by every copy of the frame's buffer.
class sensor_block {
public:
  /// Running time of the frame.
  std::chrono::nanoseconds time() const noexcept { return time_; }
  /// Every required sensor is good or patched.
  bool complete() const noexcept { return complete_; }
  bool timed_out() const noexcept { return timed_out_; }
  std::span<const sensor_span> sensors() const noexcept { return spans_; }

  /// Copies the frame's samples and names. Allocates only where earlier frames were smaller.
  void assign(const joined_frame& frame) {
    time_ = frame.time;
    complete_ = frame.complete;
    timed_out_ = frame.timed_out;
    spans_.assign(frame.sensors.begin(), frame.sensors.end());
    std::size_t values = 0;
    names_.clear();
    for (const sensor_span& s : spans_) {
      values += s.count * s.channels;
      names_ += s.name;
    }
    samples_.resize(values);
    float* to = samples_.data();
    const char* name = names_.data();
    for (sensor_span& s : spans_) {
      float* const begin = to;
      to = std::copy_n(s.samples, s.count * s.channels, to);
      s.samples = begin;
      s.name = {name, s.name.size()};
      name += s.name.size();
    }
  }

private:
  std::chrono::nanoseconds time_{};
  bool complete_ = false;
  bool timed_out_ = false;
  std::vector<sensor_span> spans_;
  std::vector<float> samples_;
  std::string names_;
};

/// A block and how many buffers show it.
struct shared_sensor_block {
  sensor_block block;
  mutable std::atomic<int> references{1};
  void ref() const noexcept { references.fetch_add(1, std::memory_order_relaxed); }
  void unref() const noexcept {
    if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
  }
};

/// Blocks that no buffer shows any more are filled again, so that a running stream allocates none.
class sensor_block_pool {
public:
  sensor_block_pool() noexcept = default;
  sensor_block_pool(const sensor_block_pool&) = delete;
  sensor_block_pool& operator=(const sensor_block_pool&) = delete;
  ~sensor_block_pool() {
    for (const shared_sensor_block* b : blocks_) b->unref();
  }

  /// A block of which the caller owns one reference.
  shared_sensor_block* take() {
    for (shared_sensor_block* b : blocks_) {
      if (b->references.load(std::memory_order_acquire) != 1) continue;
      b->ref();
      return b;
    }
    auto made = std::make_unique<shared_sensor_block>();
    if (blocks_.size() < most_kept) {
      blocks_.push_back(made.get());
      made->ref();
    }
    return made.release();
  }

private:
  static constexpr std::size_t most_kept = 16;
  std::vector<shared_sensor_block*> blocks_;
};

/// The meta on a buffer. It carries no tags: nothing that changes pixels invalidates what a sensor measured, so queue,
/// tee, videoconvert, videoscale and encoders keep it.
struct sensor_meta {
  GstMeta meta;
  const shared_sensor_block* shared;
};

inline const GstMetaInfo* sensor_meta_info() noexcept {
  static const GstMetaInfo* const info = [] {
    static const char* tags[] = {nullptr};
    if (const GstMetaInfo* known = gst_meta_get_info("Dsmm0SensorMeta"); known != nullptr) return known;
    const GType api = gst_meta_api_type_register("Dsmm0SensorMetaAPI", tags);
    return gst_meta_register(
        api, "Dsmm0SensorMeta", sizeof(sensor_meta),
        [](GstMeta* meta, gpointer, GstBuffer*) -> gboolean {
          reinterpret_cast<sensor_meta*>(meta)->shared = nullptr;
          return TRUE;
        },
        [](GstMeta* meta, GstBuffer*) {
          if (const auto* shared = reinterpret_cast<sensor_meta*>(meta)->shared) shared->unref();
        },
        [](GstBuffer* to, GstMeta* meta, GstBuffer*, GQuark, gpointer) -> gboolean {
          const auto* shared = reinterpret_cast<sensor_meta*>(meta)->shared;
          auto* const copy = reinterpret_cast<sensor_meta*>(gst_buffer_add_meta(to, sensor_meta_info(), nullptr));
          if (copy == nullptr) return FALSE;
          if (shared != nullptr) shared->ref();
          copy->shared = shared;
          return TRUE;
        });
  }();
  return info;
}

/// Shows a block on a writable buffer, instead of what was there. The buffer takes the caller's reference.
inline bool attach_sensors(GstBuffer* buffer, const shared_sensor_block* shared) noexcept {
  const GstMetaInfo* const info = sensor_meta_info();
  if (GstMeta* const old = gst_buffer_get_meta(buffer, info->api)) gst_buffer_remove_meta(buffer, old);
  auto* const meta = reinterpret_cast<sensor_meta*>(gst_buffer_add_meta(buffer, info, nullptr));
  if (meta == nullptr) shared->unref();
  else meta->shared = shared;
  return meta != nullptr;
}

/// What dsmmfuse attached to a frame, or null. Lives as long as the buffer.
inline const sensor_block* sensor_block_of(GstBuffer* buffer) noexcept {
  const auto* const meta = reinterpret_cast<const sensor_meta*>(gst_buffer_get_meta(buffer, sensor_meta_info()->api));
  return meta == nullptr || meta->shared == nullptr ? nullptr : &meta->shared->block;
}

/// The sensors of a frame; empty if none were joined.
inline std::span<const sensor_span> sensors_of(GstBuffer* buffer) noexcept {
  const sensor_block* const block = sensor_block_of(buffer);
  return block == nullptr ? std::span<const sensor_span>{} : block->sensors();
}

/// Whether the frame has all its required sensors; false if none were joined.
inline bool sensors_complete(GstBuffer* buffer) noexcept {
  const sensor_block* const block = sensor_block_of(buffer);
  return block != nullptr && block->complete();
}

}  // namespace dsmm::inline DSMM_ABI::gst
