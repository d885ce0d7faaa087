// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/model/level_writer.hpp"
#include "dsmm/model/model.hpp"

/// How the constants of a pruned network lie in those of a larger one that was pruned from the same original.
namespace dsmm::inline DSMM_ABI::convert::prune {

/// The graph with every f32 constant replaced by the addresses of its elements, bit for bit: after a cut they tell
/// where each element came from.
inline lowered_graph addresses_of(const lowered_graph& g) {
  lowered_graph out = g;
  for (lowered_value& v : out.values) {
    if (!v.is_constant || v.type != dtype::f32) continue;
    std::vector<std::byte> bytes(v.bytes.size());
    for (std::uint32_t i = 0; i < bytes.size() / 4; ++i) std::memcpy(bytes.data() + 4 * std::size_t{i}, &i, 4);
    auto kept = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
    v.bytes = *kept;
    v.owned = std::move(kept);
  }
  return out;
}

namespace nest_impl {

/// A constant that an op reads: of the network itself, and of its addresses.
struct seen_constant {
  const lowered_value* value = nullptr;
  const lowered_value* addresses = nullptr;  ///< null: not from the original
  dim_list original{};
};

/// Coordinates in the original, along one axis, of what is left there.
inline std::vector<std::uint32_t> kept_along(const seen_constant& c, std::size_t axis) {
  const dim_list& d = c.addresses->dims;
  std::int64_t step = 1, original_step = 1;
  for (std::size_t i = axis + 1; i < d.size(); ++i) step *= d[i], original_step *= c.original[i];
  std::vector<std::uint32_t> out;
  for (std::int64_t i = 0; i < d[axis]; ++i) {
    std::uint32_t address = 0;
    std::memcpy(&address, c.addresses->bytes.data() + 4 * i * step, 4);
    out.push_back(static_cast<std::uint32_t>(address / original_step % c.original[axis]));
  }
  return out;
}

/// Where `inner` is cut out of `outer`; nothing if it is not a block of it along at most two axes.
inline std::optional<piece_plan> block_of(const seen_constant& inner, const seen_constant& outer) {
  piece_plan plan;
  plan.form = format::piece_form::block;
  const lowered_value &t = *inner.value, &b = *outer.value;
  if (t.type != b.type || t.dims.size() != b.dims.size() || t.dims.size() > format::max_rank) return std::nullopt;
  if (inner.addresses == nullptr || outer.addresses == nullptr || t.type != dtype::f32)
    return t.dims == b.dims ? std::optional(plan) : std::nullopt;
  if (inner.original != outer.original || inner.addresses->dims != t.dims || outer.addresses->dims != b.dims)
    return std::nullopt;
  std::size_t cuts = 0;
  for (std::size_t axis = 0; axis < t.dims.size(); ++axis) {
    if (t.dims[axis] == b.dims[axis]) continue;
    const auto kept = kept_along(inner, axis), all = kept_along(outer, axis);
    std::vector<std::uint32_t> at;
    for (const std::uint32_t k : kept) {
      const auto found = std::lower_bound(all.begin(), all.end(), k);
      if (found == all.end() || *found != k) return std::nullopt;
      at.push_back(static_cast<std::uint32_t>(found - all.begin()));
    }
    plan.ranges[axis] = ranges_of(at, all.size());
    if (++cuts > 2) return std::nullopt;
  }
  return plan;
}

/// The elements of `from` that a block takes.
inline std::vector<std::byte> take_block(const lowered_value& from, const dim_list& to, const piece_plan& plan) {
  format::tensor_row b{}, t{};
  b.dims.fill(1), t.dims.fill(1);
  for (std::size_t i = 0; i < to.size(); ++i) {
    b.dims[i] = static_cast<std::int32_t>(from.dims[i]);
    t.dims[i] = static_cast<std::int32_t>(to[i]);
  }
  verify_impl::level_piece p;
  p.to = &t, p.base = &b;
  for (std::size_t i = 0; i < format::max_rank; ++i) p.ranges[i] = plan.ranges[i];
  std::vector<std::byte> out(static_cast<std::size_t>(count_of(to)) * size_of(from.type));
  std::byte* at = out.data();
  if (!out.empty()) level_impl::copy_block(p, 0, size_of(from.type), from.bytes.data(), at);
  return out;
}

/// The nearest constant that a block and 8-bit steps give: scales per index of the first axis, chosen so that the
/// largest step is 127. Fills the plan and returns the constant.
inline std::vector<std::byte> corrected(std::span<const std::byte> block, const lowered_value& wanted,
                                        piece_plan& plan) {
  plan.form = format::piece_form::corrected;
  const auto values = floats_of(wanted);
  const std::size_t first = static_cast<std::size_t>(wanted.dims[0]), row = values.size() / first;
  std::vector<std::byte> out(block.begin(), block.end());
  const auto base = [&](std::size_t i) {
    float v = 0;
    std::memcpy(&v, out.data() + 4 * i, 4);
    return v;
  };
  for (std::size_t r = 0; r < first; ++r) {
    float most = 0;
    for (std::size_t i = r * row; i < (r + 1) * row; ++i) most = std::max(most, std::fabs(values[i] - base(i)));
    const float scale = most / 127.0f;
    plan.scales.push_back(scale);
    for (std::size_t i = r * row; i < (r + 1) * row; ++i) {
      const float steps = scale > 0 ? std::clamp((values[i] - base(i)) / scale, -127.0f, 127.0f) : 0.0f;
      plan.steps.push_back(static_cast<std::int8_t>(std::nearbyint(steps)));
      const float v = __builtin_fmaf(scale, static_cast<float>(plan.steps.back()), base(i));
      std::memcpy(out.data() + 4 * i, &v, 4);
    }
  }
  return out;
}

}  // namespace nest_impl

/// Plans the pieces of a level and gives it the constants that they make.
///
/// original   the network before any cut; addresses, base_addresses: addresses_of() it, cut like level and base.
/// base, m    the network that is stored whole, and the model that was made of it.
/// correct    f32 weights of 256 elements or more become block and 8-bit correction, a fifth of the bytes, within 1/254
///            of the largest change of their row; otherwise whatever differs from the base is stored as it is.
inline std::vector<piece_plan> nest_level(const lowered_graph& original, const lowered_graph& base,
                                          const lowered_graph& base_addresses, const model& m, lowered_graph& level,
                                          const lowered_graph& addresses, bool correct) {
  using namespace nest_impl;
  std::vector<piece_plan> out;
  std::vector<bool> seen(level.values.size(), false);
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < level.ops.size(); ++i)
    for (std::size_t k = 0; k < level.ops[i].inputs.size(); ++k) {
      const std::uint32_t v = level.ops[i].inputs[k];
      if (v == no_value || !level.values[v].is_constant || seen[v]) continue;
      seen[v] = true;
      out.emplace_back();
      const auto of = [&](const lowered_graph& g, const lowered_graph& tags) -> std::optional<seen_constant> {
        const auto input = [&](const lowered_graph& from) {
          return k < from.ops[i].inputs.size() ? from.ops[i].inputs[k] : no_value;
        };
        if (input(g) == no_value || !g.values[input(g)].is_constant) return std::nullopt;
        seen_constant c{&g.values[input(g)], nullptr, {}};
        if (input(tags) == no_value || input(original) == no_value) return c;
        c.addresses = &tags.values[input(tags)];
        c.original = original.values[input(original)].dims;
        return c;
      };
      const auto inner = of(level, addresses), outer = of(base, base_addresses);
      if (!outer) continue;
      const std::uint32_t tensor = m.inputs(m.ops()[i])[k];
      auto plan = block_of(*inner, *outer);
      if (!plan || tensor < next) continue;
      plan->base = tensor;
      const lowered_value wanted = *inner->value;
      const std::vector<std::byte> block = take_block(*outer->value, wanted.dims, *plan);
      const bool same = std::equal(block.begin(), block.end(), wanted.bytes.begin(), wanted.bytes.end());
      if (!same && (!correct || wanted.type != dtype::f32 || block.size() < 1024 || wanted.dims.empty())) continue;
      if (!same) {
        const std::uint32_t made =
            add_constant(level, dtype::f32, dim_list(wanted.dims), corrected(block, wanted, *plan));
        for (lowered_op& op : level.ops) std::replace(op.inputs.begin(), op.inputs.end(), v, made);
        seen.push_back(true);
      }
      next = tensor + 1;
      out.back() = std::move(*plan);
    }
  return out;
}

}  // namespace dsmm::inline DSMM_ABI::convert::prune
