// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "tools/demo/tally.hpp"

namespace dsmm::inline DSMM_ABI::demo {

/// Chooses the parts that the report shows: of every kind the first that was decided right, and wrong or undecided
/// ones while there is room.
class selection {
public:
  explicit selection(std::size_t most) noexcept : most_(most) {}

  bool wants(const judged_part& p) {
    const bool right = p.truth_known && p.verdict != verdict::unknown && p.defective == (p.verdict == verdict::fail);
    const bool undecided = p.verdict == verdict::unknown;
    std::size_t& seen = seen_[(right ? "right " : undecided ? "open " : "wrong ") + p.kind];
    const std::size_t limit = right ? 1 : undecided ? 1 : 2;
    if (seen >= limit || (!right && others_ * 3 >= most_) || chosen_ >= most_) return false;
    ++seen, ++chosen_;
    others_ += !right;
    return true;
  }

private:
  std::size_t most_, chosen_ = 0, others_ = 0;
  std::map<std::string, std::size_t> seen_;
};

}  // namespace dsmm::inline DSMM_ABI::demo
