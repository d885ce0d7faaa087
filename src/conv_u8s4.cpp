// SPDX-License-Identifier: Apache-2.0
// Part of the library dsmm::compiled.
#include <array>

// First: clang++ leaves out what a table points to if it is defined behind the table.
#include "dsmm/kernels/conv_kernel.inl.hpp"
#include "dsmm/kernels/conv_u8s4.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

extern const std::array<const conv_kernel*, conv_s4_variants::size> compiled_conv_u8s4;
const std::array<const conv_kernel*, conv_s4_variants::size> compiled_conv_u8s4 = conv_kernels_of(conv_s4_variants{});

}  // namespace dsmm::inline DSMM_ABI::kernels
