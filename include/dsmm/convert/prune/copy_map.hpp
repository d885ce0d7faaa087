// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/prune/label_sets.hpp"

/// What nd_copy (transpose, slice, reshape, split ...) does to channels.
namespace dsmm::inline DSMM_ABI::convert::prune {

namespace copy_impl {

inline std::int64_t inner_of(const dim_list& dims, std::size_t axis) noexcept {
  std::int64_t n = 1;
  for (std::size_t i = axis + 1; i < dims.size(); ++i) n *= dims[i];
  return n;
}

/// f(index, source): every element of y, its index along each axis and the element of x that it shows.
template <class F>
void each_element(const lowered_op& op, const dim_list& y, F&& f) {
  std::array<std::int64_t, 6> index{};
  const std::int64_t n = count_of(y);
  std::int64_t from = op.attributes[0];
  for (std::int64_t i = 0; i < n; ++i) {
    f(index, from);
    for (std::size_t a = y.size(); a-- > 0;) {
      from += op.attributes[1 + a];
      if (++index[a] < y[a]) break;
      from -= y[a] * op.attributes[1 + a];
      index[a] = 0;
    }
  }
}

}  // namespace copy_impl

/// Finds the axis of y along which the channels of x lie after a copy, and merges those that meet in one entry of it.
/// Of several axes the one that keeps most channels apart is taken. Nothing if there is none.
/// Cost: elements of y times its rank.
inline channel_axis through_copy(const lowered_op& op, const dim_list& x_dims, const channel_axis& x,
                                 const dim_list& y_dims, label_sets& sets) {
  const auto axis = static_cast<std::size_t>(x.axis);
  const std::int64_t inner = copy_impl::inner_of(x_dims, axis), channels = x_dims[axis];
  constexpr std::uint32_t unseen = 0xFFFF'FFFF;
  std::vector<std::vector<std::uint32_t>> first(y_dims.size());  // by axis and entry: a channel seen there
  std::vector<label_sets> merged(y_dims.size());
  std::vector<std::uint32_t> nodes;
  for (std::size_t a = 0; a < y_dims.size(); ++a) {
    first[a].assign(static_cast<std::size_t>(y_dims[a]), unseen);
    nodes = merged[a].fresh(static_cast<std::size_t>(channels));
  }
  copy_impl::each_element(op, y_dims, [&](const auto& index, std::int64_t from) {
    const auto c = static_cast<std::uint32_t>(from / inner % channels);
    for (std::size_t a = 0; a < y_dims.size(); ++a) {
      std::uint32_t& seen = first[a][static_cast<std::size_t>(index[a])];
      if (seen == unseen) seen = c;
      else if (seen != c) merged[a].unite(nodes[seen], nodes[c]);
    }
  });
  std::size_t best = 0, most = 1;
  for (std::size_t a = 0; a < y_dims.size(); ++a) {
    std::vector<bool> counted(merged[a].size(), false);
    std::size_t apart = 0;
    for (const std::uint32_t c : first[a])
      if (const std::uint32_t r = merged[a].find(nodes[c]); !counted[r]) counted[r] = true, ++apart;
    if (apart > most) most = apart, best = a;
  }
  channel_axis y;
  if (most == 1) return y;
  for (std::uint32_t c = 0; c < static_cast<std::uint32_t>(channels); ++c)
    sets.unite(x.labels[c], x.labels[merged[best].find(nodes[c]) - nodes[0]]);
  y.axis = static_cast<std::int32_t>(best);
  for (const std::uint32_t c : first[best]) y.labels.push_back(x.labels[c]);
  return y;
}

/// Attributes of the copy between what is left of x and y, or nothing if no offset and strides describe it.
/// x_place, y_kept  new index of each old entry along the cut axis of x (-1: gone), old entries that y keeps.
/// Dimensions are those before the cut.
inline std::optional<std::vector<std::int32_t>> cut_copy(const lowered_op& op, const dim_list& x_dims,
                                                         std::size_t x_axis, std::span<const std::int64_t> x_place,
                                                         std::int64_t x_left, const dim_list& y_dims,
                                                         std::size_t y_axis, std::span<const std::int64_t> y_kept) {
  const std::int64_t inner = copy_impl::inner_of(x_dims, x_axis), channels = x_dims[x_axis];
  dim_list dims = y_dims;
  dims[y_axis] = static_cast<std::int64_t>(y_kept.size());
  const auto source = [&](const std::array<std::int64_t, 6>& index) -> std::int64_t {
    std::int64_t from = op.attributes[0];
    for (std::size_t a = 0; a < dims.size(); ++a)
      from += op.attributes[1 + a] * (a == y_axis ? y_kept[static_cast<std::size_t>(index[a])] : index[a]);
    const std::int64_t c = x_place[static_cast<std::size_t>(from / inner % channels)];
    return c < 0 ? -1 : (from / (inner * channels) * x_left + c) * inner + from % inner;
  };
  lowered_op out{op.kind, {}, {}, {}, std::vector<std::int32_t>(7, 0)};
  const std::int64_t offset = source({});
  out.attributes[0] = static_cast<std::int32_t>(offset);
  for (std::size_t a = 0; a < dims.size(); ++a) {
    std::array<std::int64_t, 6> second{};
    second[a] = 1;
    out.attributes[1 + a] = dims[a] > 1 ? static_cast<std::int32_t>(source(second) - offset) : 0;
  }
  bool same = true;
  copy_impl::each_element(out, dims,
                          [&](const auto& index, std::int64_t from) { same = same && source(index) == from; });
  if (!same) return std::nullopt;
  return out.attributes;
}

}  // namespace dsmm::inline DSMM_ABI::convert::prune
