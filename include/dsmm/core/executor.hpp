// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI {

/// Runs fn(arg, i) for every i < count and returns when all have finished. A plain struct, so any pool fits behind it
/// and dsmm never creates a thread by itself. What is computed never depends on `width`: tiles come from the plan.
struct executor {
  void* context = nullptr;
  std::uint32_t width = 1;  ///< how many indices may run at once; a hint
  void (*parallel_for)(void* context, std::uint32_t count, void (*fn)(void* arg, std::uint32_t index),
                       void* arg) noexcept = nullptr;

  /// Runs on the calling thread when no pool was given.
  void run(std::uint32_t count, void (*fn)(void* arg, std::uint32_t index), void* arg) const noexcept {
    if (parallel_for != nullptr && width > 1 && count > 1) return parallel_for(context, count, fn, arg);
    for (std::uint32_t i = 0; i < count; ++i) fn(arg, i);
  }

  /// Convenience: f(i) for a callable that outlives the call.
  template <class F>
  void each(std::uint32_t count, F&& f) const noexcept {
    run(
        count, [](void* arg, std::uint32_t i) { (*static_cast<std::remove_reference_t<F>*>(arg))(i); }, &f);
  }
};

}  // namespace dsmm::inline DSMM_ABI
