// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"

namespace dsmm::inline DSMM_ABI {

struct tensor_place {
  tensor_layout layout{};             ///< activations; halo in elements
  std::uint64_t offset = 0;           ///< in the arena
  std::uint64_t bytes = 0;            ///< 0: a constant, or never used
  std::uint32_t first = 0, last = 0;  ///< ops that write and last read it (inputs, outputs: the whole program)
  std::uint32_t capacity = 0;         ///< rows of a state ring
  bool plain = false;                 ///< a general operator touches it: dense, never padded
  bool part = false;                  ///< lies in another tensor, whose layout and bytes these are: a concat's input
  std::int32_t channel = 0;           ///< of that tensor, with which it begins
};

struct op_place {
  std::uint64_t offset = 0, bytes = 0;
};

/// A plan that somebody else owns; tables of constants in a generated header will do.
struct plan_view {
  std::span<const tensor_place> tensors;
  std::span<const op_place> ops;
  std::uint64_t scratch = 0;    ///< offset of the memory that each op may use during its run
  std::uint64_t temporary = 0;  ///< from here to the end of the arena ops may unpack weights while they are prepared
  std::uint64_t bytes = 0;      ///< size of the arena
};

}  // namespace dsmm::inline DSMM_ABI
