// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

template <class V>
void conv_kernel_pack(const conv_weights& w, std::byte* memory, conv_packed& p) noexcept {
  V::pack(w, memory, p);
}

template <class V>
void conv_kernel_rows_u8(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                         const tensor_view<std::uint8_t>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
  V::rows_u8(p, e, x, y, y_begin, y_end);
}

template <class V>
void conv_kernel_rows_f32(const conv_packed& p, const conv_epilogue& e, const conv_input& x,
                          const tensor_view<float>& y, std::int32_t y_begin, std::int32_t y_end) noexcept {
  V::rows_f32(p, e, x, y, y_begin, y_end);
}

/// The tables of all variants of a list; a unit that keeps them holds their code.
template <class... V>
constexpr std::array<const conv_kernel*, sizeof...(V)> conv_kernels_of(kernel_list<V...>) noexcept {
  return {&conv_kernel_of<V>...};
}

}  // namespace dsmm::inline DSMM_ABI::kernels
