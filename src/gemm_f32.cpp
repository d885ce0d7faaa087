// SPDX-License-Identifier: Apache-2.0
// Part of the library dsmm::compiled.
#include "dsmm/kernels/nd/gemm_f32.inl.hpp"
