// SPDX-License-Identifier: Apache-2.0
// Part of the library dsmm::compiled.
#include "dsmm/kernels/nd/direct_f32.inl.hpp"
