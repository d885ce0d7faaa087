// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <type_traits>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/direct_f32.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/direct_f32/x86_avx2.hpp"
#include "dsmm/kernels/nd/direct_f32/x86_avx512.hpp"
#endif

namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using direct_variants = kernel_list<direct_impl::x86_avx512, direct_impl::x86_avx2, direct_impl::generic>;
#else
using direct_variants = kernel_list<direct_impl::generic>;
#endif

namespace direct_impl {

/// The tiles of a variant for 1, 2, .. pixels; two parts take even numbers, odd ones are never asked for.
template <class V, int Step, int Parts, bool Half>
inline constexpr auto tiles_of = []<int... R>(std::integer_sequence<int, R...>) {
  return std::array<tile_function, V::rows>{&V::template tile < (R + 1) % Parts == 0 ? R + 1 : Parts, Step, Parts,
                                            Half > ...};
}
(std::make_integer_sequence<int, V::rows>{});

template <class V>
inline constexpr std::array<const tile_function*, 8> tile_table{
    tiles_of<V, 1, 1, false>.data(), tiles_of<V, 1, 1, true>.data(),  tiles_of<V, 1, 2, false>.data(),
    tiles_of<V, 1, 2, true>.data(),  tiles_of<V, 2, 1, false>.data(), tiles_of<V, 2, 1, true>.data(),
    tiles_of<V, 2, 2, false>.data(), tiles_of<V, 2, 2, true>.data()};

}  // namespace direct_impl

template <class V>
inline constexpr direct_kernel direct_kernel_of{V::rows, V::columns, direct_impl::tile_table<V>.data()};

DSMM_INLINE const direct_kernel& direct_kernel_for(isa level) noexcept {
  return *direct_variants::choose(
      level, []<class V>(std::type_identity<V>) -> const direct_kernel* { return &direct_kernel_of<V>; });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
