// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/ops/op.hpp"

/// Only who runs graphs of general operators pays for compiling them: hand find_definition to session_options::general.
namespace dsmm::inline DSMM_ABI::ops::nd {

/// The general operator of a kind, or nullptr if this build has none.
const op_definition* find_definition(std::uint32_t kind) noexcept;

}  // namespace dsmm::inline DSMM_ABI::ops::nd

#if !DSMM_COMPILED
#include "dsmm/ops/nd/registry.inl.hpp"
#endif
