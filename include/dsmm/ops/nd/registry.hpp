// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/ops/op.hpp"
#if !DSMM_COMPILED
#include "dsmm/ops/nd/definitions.hpp"
#endif

/// Only who runs graphs of general operators pays for compiling them: hand find_definition to session_options::general.
namespace dsmm::inline DSMM_ABI::ops::nd {

#if DSMM_COMPILED
/// As below, from the library dsmm::compiled (src/general_ops.cpp).
const op_definition* find_definition(std::uint32_t kind) noexcept;
#else
/// The general operator of a kind, or nullptr if this build has none.
inline const op_definition* find_definition(std::uint32_t kind) noexcept {
  for (const op_definition& d : definitions)
    if (static_cast<std::uint32_t>(d.kind) == kind) return &d;
  return nullptr;
}
#endif

}  // namespace dsmm::inline DSMM_ABI::ops::nd
