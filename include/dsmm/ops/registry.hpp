// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/ops/op.hpp"
#if !DSMM_COMPILED
#include "dsmm/ops/definitions.hpp"
#endif

namespace dsmm::inline DSMM_ABI::ops {

#if DSMM_COMPILED
/// As below, from the library dsmm::compiled (src/ops.cpp), so that a unit need not compile every kernel again.
const op_definition* find_definition(std::uint32_t kind, find_operator general) noexcept;
#else
/// The operator of a kind, or nullptr. `general` finds general operators; nullptr if the session is to have none.
constexpr const op_definition* find_definition(std::uint32_t kind, find_operator general) noexcept {
  if (is_general(kind)) return general != nullptr ? general(kind) : nullptr;
  for (const op_definition& d : definitions)
    if (static_cast<std::uint32_t>(d.kind) == kind) return &d;
  return nullptr;
}
#endif

}  // namespace dsmm::inline DSMM_ABI::ops
