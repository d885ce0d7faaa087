// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <type_traits>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/dispatch.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/unary_f32/generic.hpp"
#if DSMM_X86
#include "dsmm/kernels/nd/unary_f32/x86_avx512.hpp"
#endif

/// f32 functions over arrays. The instruction set is the selected one of the process, whatever a call says: epilogues
/// of other kernels come here too.
namespace dsmm::inline DSMM_ABI::kernels::nd {

#if DSMM_X86
using unary_variants = kernel_list<unary_impl::x86_avx512, unary_impl::generic>;
#else
using unary_variants = kernel_list<unary_impl::generic>;
#endif

namespace unary_impl {

/// Functions whose polynomials outweigh loads and stores: they have variants. AVX2 loop -> AVX-512, per element: SiLU
/// 0.73 -> 0.41 ns, sigmoid 0.70 -> 0.37, GELU 1.52 -> 0.82, exp 0.51 -> 0.25, tanh 1.05 -> 0.51 (g++ 12 -O3, Zen 4).
constexpr bool is_long(unary_fn f) noexcept {
  using enum unary_fn;
  return f == sigmoid || f == silu || f == tanh || f == gelu || f == gelu_tanh || f == erf || f == exp;
}

using map_function = void (*)(float a, float b, const float* x, float* y, std::size_t n) noexcept;

template <unary_fn f>
map_function map_for(isa level) noexcept {
  return unary_variants::choose(level,
                                []<class V>(std::type_identity<V>) -> map_function { return &V::template map<f>; });
}

/// y[i] = f(x[i]); x may be y.
template <unary_fn f>
void map(float a, float b, const float* x, float* y, std::size_t n) noexcept {
  if constexpr (is_long(f)) {
    static const map_function chosen = map_for<f>(selected_isa() ? *selected_isa() : isa::generic);
    chosen(a, b, x, y, n);
  } else {
    generic::map<f>(a, b, x, y, n);
  }
}

inline constexpr auto maps = []<std::size_t... f>(std::index_sequence<f...>) {
  return std::array<map_function, sizeof...(f)>{&map<static_cast<unary_fn>(f)>...};
}
(std::make_index_sequence<static_cast<std::size_t>(unary_fn::count)>{});

}  // namespace unary_impl

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
