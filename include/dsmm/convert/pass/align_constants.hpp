// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Copies constants that lie where a file put them, at any byte, so that their elements can be read in place.
inline void align_constants(lowered_graph& g) {
  constexpr std::uintptr_t largest_element = 8;
  for (lowered_value& v : g.values) {
    if (!v.is_constant || reinterpret_cast<std::uintptr_t>(v.bytes.data()) % largest_element == 0) continue;
    auto kept = std::make_shared<const std::vector<std::byte>>(v.bytes.begin(), v.bytes.end());
    v.bytes = *kept;
    v.owned = std::move(kept);
  }
}

}  // namespace dsmm::inline DSMM_ABI::convert
