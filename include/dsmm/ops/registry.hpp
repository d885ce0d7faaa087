// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// The operator of a kind, or nullptr. `general` finds general operators; nullptr if the session is to have none.
const op_definition* find_definition(std::uint32_t kind, find_operator general) noexcept;

}  // namespace dsmm::inline DSMM_ABI::ops

#if !DSMM_COMPILED
#include "dsmm/ops/registry.inl.hpp"
#endif
