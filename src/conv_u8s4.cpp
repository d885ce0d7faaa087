// SPDX-License-Identifier: Apache-2.0
// Part of the library dsmm::compiled.
#include "dsmm/kernels/conv_u8s4.hpp"

#include <array>

#include "dsmm/kernels/conv_kernel.inl.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

extern const std::array<const conv_kernel*, conv_s4_variants::size> compiled_conv_u8s4;
const std::array<const conv_kernel*, conv_s4_variants::size> compiled_conv_u8s4 = conv_kernels_of(conv_s4_variants{});

}  // namespace dsmm::inline DSMM_ABI::kernels
