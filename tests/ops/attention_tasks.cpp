// SPDX-License-Identifier: Apache-2.0
#include "dsmm/ops/attention_tasks.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

using namespace dsmm;
using ops::tasks_of_heads;

namespace {

kernels::attention_call call_of(std::int32_t queries, std::int32_t keys, std::int32_t heads, std::int32_t depth) {
  kernels::attention_call call{};
  call.q.shape = call.y.shape = {queries, 1, heads * depth};
  call.k.shape = call.v.shape = {keys, 1, heads * depth};
  call.factors.heads = heads;
  REQUIRE(kernels::make_attention_factors(heads * depth, {0.03f, 1}, {0.03f, 2}, {0.02f, 3}, {0.02f, 4}, call.factors));
  return call;
}

/// All that a layer works in besides its tensors.
std::size_t scratch_of(const kernels::attention_kernel& kernel, const kernels::attention_call& call) {
  return kernel.packed_bytes(call) + tasks_of_heads::of(call).count * kernel.scratch_bytes(call);
}

}  // namespace

TEST_CASE("tasks of attention cover every query of every head once") {
  for (const auto& shape : {std::pair{1, 4}, {48, 1}, {49, 3}, {197, 6}, {1000, 12}, {4096, 1}}) {
    const std::int32_t queries = shape.first, heads = shape.second;
    const auto t = tasks_of_heads::of(call_of(queries, 197, heads, 16));
    CHECK(t.count >= 1);
    CHECK(t.count <= 32);
    std::vector<int> seen(static_cast<std::size_t>(queries * heads));
    for (std::uint32_t i = 0; i < t.count; ++i)
      t.each(i, [&](std::int32_t head, std::int32_t begin, std::int32_t end) {
        for (std::int32_t q = begin; q < end; ++q) ++seen[static_cast<std::size_t>(head * queries + q)];
      });
    for (const int n : seen) CHECK(n == 1);
  }
}

TEST_CASE("the memory of attention grows with the number of steps, not with its square") {
  for (const isa_row& row : isa_rows) {
    CAPTURE(row.name);
    const auto small = call_of(1024, 1024, 12, 64), large = call_of(8192, 8192, 12, 64);
    const auto& kernel = kernels::attention_kernel_for(row.id, small);
    CHECK(scratch_of(kernel, large) <= 9 * scratch_of(kernel, small));
    CHECK(scratch_of(kernel, small) < std::size_t{8} << 20);  // scores of all heads would take 48 MB
  }
}
