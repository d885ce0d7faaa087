// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <mutex>
#include <string>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// What dsmminfer is told through its properties. Those that a new model is opened with are read and written together
/// under a lock; the streaming thread reads the others without one.
class infer_settings {
public:
  struct opening {
    std::string model_file;
    float threshold = -std::numeric_limits<float>::max();  ///< as it is here: the model's own
    std::uint64_t deadline = 50'000'000;                   ///< nanoseconds, 0 = none
    std::uint32_t threads = 1;
    bool refuse_repeats = true;

    /// As the inspector wants it: NaN for the model's own.
    float threshold_override() const noexcept {
      return threshold == -std::numeric_limits<float>::max() ? std::numeric_limits<float>::quiet_NaN() : threshold;
    }
  };

  opening get() const {
    const std::lock_guard lock(mutex_);
    return opening_;
  }
  template <class Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change(opening_);
  }

  std::atomic<bool> attach_map{true}, post_messages{true}, age_from_pts{true};
  std::atomic<std::uint64_t> latency_budget{0};

private:
  mutable std::mutex mutex_;
  opening opening_;
};

}  // namespace dsmm::inline DSMM_ABI::gst
