// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/ops/op.hpp"

/// ops::nd::find_definition; compiled once per program, in general_ops.cpp.
const dsmm::ops::op_definition* find_general_op(std::uint32_t kind) noexcept;
