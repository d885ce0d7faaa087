// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/tensor.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// A run of elements of one dimension, `stride` elements apart in memory.
struct axis_atom {
  std::int64_t extent = 1, stride = 0;
  friend bool operator==(const axis_atom&, const axis_atom&) = default;
};

/// How the plain dimensions of a value lie in a dense (H, W, C) tensor: dimension d is the product of its atoms,
/// outermost first. A transposition permutes dimensions, a reshape groups atoms anew, a slice moves `offset`: none of
/// them touches memory.
struct layout {
  extents shape{1, 1, 1};
  std::int64_t offset = 0;
  std::vector<std::vector<axis_atom>> dims;
  friend bool operator==(const layout&, const layout&) = default;

  std::array<axis_atom, 3> axes() const noexcept {
    return {axis_atom{shape.h, std::int64_t{shape.w} * shape.c}, {shape.w, shape.c}, {shape.c, 1}};
  }
};

namespace layout_impl {

inline std::vector<axis_atom> one(std::int64_t extent, std::int64_t stride) {
  if (extent == 1) return {};
  return {{extent, stride}};
}

/// Makes one atom of atoms that continue each other, unless the outer one starts where `keep` says.
template <class Keep>
void join(std::vector<axis_atom>& atoms, Keep&& keep) {
  for (std::size_t a = 1; a < atoms.size();)
    if (atoms[a - 1].stride == atoms[a].stride * atoms[a].extent && !keep(atoms[a - 1].stride)) {
      atoms[a] = {atoms[a - 1].extent * atoms[a].extent, atoms[a].stride};
      atoms.erase(atoms.begin() + static_cast<std::ptrdiff_t>(a) - 1);
    } else {
      ++a;
    }
}

inline bool fits(std::int64_t extent) noexcept { return extent >= 1 && extent <= 16384; }

}  // namespace layout_impl

/// (1, C), (1, C, L) and (1, C, H, W) as (1, 1, C), (L, 1, C) and (H, W, C).
inline std::optional<layout> channels_first(const dim_list& d) {
  if (d.size() < 2 || d.size() > 4 || d[0] != 1) return std::nullopt;
  const std::int64_t c = d[1], h = d.size() > 2 ? d[2] : 1, w = d.size() > 3 ? d[3] : 1;
  if (c < 1 || c > (1 << 24) || !layout_impl::fits(h) || !layout_impl::fits(w)) return std::nullopt;
  layout l;
  l.shape = {static_cast<std::int32_t>(h), static_cast<std::int32_t>(w), static_cast<std::int32_t>(c)};
  l.dims.resize(d.size());
  l.dims[1] = layout_impl::one(c, 1);
  if (d.size() > 2) l.dims[2] = layout_impl::one(h, w * c);
  if (d.size() > 3) l.dims[3] = layout_impl::one(w, c);
  return l;
}

/// (..., T, C) row by row as (T, 1, C): memory as it is.
inline std::optional<layout> rows_of(const dim_list& d) {
  if (d.empty() || d.back() < 1 || d.back() > (1 << 24)) return std::nullopt;
  layout l;
  l.dims.resize(d.size());
  std::int64_t stride = d.back(), rows = 1;
  l.dims.back() = layout_impl::one(d.back(), 1);
  for (std::size_t i = d.size() - 1; i-- > 0; rows *= d[i], stride *= d[i]) l.dims[i] = layout_impl::one(d[i], stride);
  if (rows < 1 || rows > 16384) return std::nullopt;
  l.shape = {static_cast<std::int32_t>(rows), 1, static_cast<std::int32_t>(d.back())};
  return l;
}

/// Strides of h, w and c in the plain tensor of these dimensions; nothing unless each is one atom and all are covered.
inline std::optional<std::array<std::int64_t, 3>> plain_strides(const layout& l, const dim_list& dims) {
  std::array<std::int64_t, 3> out{};
  std::int64_t plain = 1, covered = 1;
  const auto axes = l.axes();
  std::vector<std::pair<axis_atom, std::int64_t>> atoms;
  for (std::size_t d = dims.size(); d-- > 0;)
    for (std::size_t a = l.dims[d].size(); a-- > 0;) {
      atoms.push_back({l.dims[d][a], plain});
      plain *= l.dims[d][a].extent;
    }
  for (std::size_t k = 0; k < 3; ++k) {
    if (axes[k].extent == 1) continue;
    // Neighbouring atoms that continue each other are one axis: T rows over several dimensions.
    std::int64_t extent = 1, first = 0;
    for (const auto& [atom, stride] : atoms) {
      if (atom.stride != axes[k].stride * extent) continue;
      if (extent != 1 && stride != first * extent) continue;
      if (extent == 1) first = stride;
      extent *= atom.extent;
      if (extent == axes[k].extent) break;
    }
    if (extent != axes[k].extent) return std::nullopt;
    out[k] = first;
    covered *= extent;
  }
  if (l.offset != 0 || covered != plain) return std::nullopt;
  return out;
}

/// The layout of what nd_copy makes of a value: y[i] = x[offset + sum i_k * strides_k]; nothing if it repeats elements
/// or cuts across atoms.
inline std::optional<layout> copied(const layout& x, std::int64_t offset, std::span<const std::int32_t> strides,
                                    const dim_list& dims) {
  struct part {
    std::int64_t extent, plain, stride;
  };
  std::vector<part> parts;  // of x, innermost first
  std::int64_t plain = 1;
  for (std::size_t d = x.dims.size(); d-- > 0;)
    for (std::size_t a = x.dims[d].size(); a-- > 0;) {
      parts.push_back({x.dims[d][a].extent, plain, x.dims[d][a].stride});
      plain *= x.dims[d][a].extent;
    }
  layout y;
  y.shape = x.shape;
  y.offset = x.offset;
  std::vector<part> taken;
  for (std::size_t d = 0; d < dims.size(); ++d) {
    y.dims.emplace_back();
    std::int64_t left = dims[d], at = strides[d];
    while (left > 1) {
      const auto p = std::find_if(parts.begin(), parts.end(), [&](const part& q) {
        return at >= q.plain && at < q.plain * q.extent && at % q.plain == 0;
      });
      if (p == parts.end()) return std::nullopt;
      const std::int64_t step = at / p->plain, room = (p->extent + step - 1) / step, n = std::min(left, room);
      if (left % n != 0 || (n != left && (p->extent % step != 0))) return std::nullopt;
      y.dims[d].insert(y.dims[d].begin(), {n, p->stride * step});
      taken.push_back({n, at, 0});
      left /= n;
      at *= n;
    }
  }
  for (auto p = parts.rbegin(); p != parts.rend(); ++p) {
    y.offset += offset / p->plain * p->stride;
    offset %= p->plain;
  }
  if (offset != 0) return std::nullopt;
  std::sort(taken.begin(), taken.end(), [](const part& a, const part& b) { return a.plain < b.plain; });
  std::int64_t reach = 1;  // each element at most once
  for (const part& t : taken) {
    if (t.plain < reach) return std::nullopt;
    reach = t.plain * (t.extent - 1) + reach;
  }
  if (reach > plain) return std::nullopt;
  const std::int64_t pixel = x.shape.c, row = pixel * x.shape.w;
  for (auto& atoms : y.dims)
    layout_impl::join(atoms, [&](std::int64_t stride) { return stride == pixel || stride == row; });
  std::size_t atoms = 0;
  for (const auto& d : y.dims) atoms += d.size();
  if (atoms > 6) return std::nullopt;
  return y;
}

/// Some channels of every pixel, `step` apart: what slices and channel shuffles leave of a value.
struct channel_pick {
  std::int64_t first = 0, step = 1;
};

/// How `want`, dense, is made of channels of `have`.
inline std::optional<channel_pick> picked(const layout& have, const layout& want) {
  if (have.shape.h != want.shape.h || have.shape.w != want.shape.w || have.dims.size() != want.dims.size() ||
      want.shape.c == 1)
    return std::nullopt;
  channel_pick pick{have.offset, 0};
  for (std::size_t d = 0; d < have.dims.size(); ++d) {
    const auto &a = have.dims[d], &b = want.dims[d];
    if (a.size() != b.size()) return std::nullopt;
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i].extent != b[i].extent) return std::nullopt;
      if (b[i].stride == 1 && b[i].extent == want.shape.c) pick.step = a[i].stride;
      else if (a[i].stride * want.shape.c != b[i].stride * have.shape.c) return std::nullopt;
    }
  }
  if (pick.step < 1 || pick.first + pick.step * (want.shape.c - 1) >= have.shape.c) return std::nullopt;
  return pick;
}

}  // namespace dsmm::inline DSMM_ABI::convert
