// SPDX-License-Identifier: Apache-2.0
// Part of the library dsmm::convert.
#include "dsmm/convert/quantize/quantize.inl.hpp"
