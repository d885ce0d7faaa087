// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/nd/conv_shape.hpp"

namespace dsmm::inline DSMM_ABI::kernels::nd::max_pool_impl {

/// The largest of every window of one plane, bit for bit as pool_impl::reduce_windows() finds it.
using plane_function = void (*)(const window_shape& s, const float* x, float* y) noexcept;

/// Leaves every geometry to pool_impl::reduce_windows().
struct generic {
  static constexpr isa required = isa::generic;

  static plane_function plane_for(const window_shape&) noexcept { return nullptr; }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::max_pool_impl
