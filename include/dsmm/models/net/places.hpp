// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/models/net/layers.hpp"
#include "dsmm/ops/conv2d.hpp"
#include "dsmm/ops/window.hpp"

/// The memory plan of a dsmm::net, made while the program is compiled.
namespace dsmm::inline DSMM_ABI::net_impl {

/// Smallest group of I4S weights that a net must have room for (the format's usual groups are 32, 64 and 128).
inline constexpr std::int32_t smallest_group = 32;
/// Kernels read whole vectors: bytes past the last element of a tensor (never used in a result).
inline constexpr std::size_t slack = 256;

struct place {
  tensor_layout layout{};
  std::size_t offset = 0, bytes = 0;
};

template <std::size_t N>
struct places {
  std::array<place, N + 1> tensors{};  ///< the input, then the output of each op
  std::array<place, N> ops{};          ///< packed weights and tables; no layout
  std::size_t temporary = 0;           ///< from here on weights are unpacked, before values lie there
  std::size_t bytes = 0;
};

/// Memory of an op on the machine that needs most, for int8 weights and for nibbles.
constexpr std::size_t op_bytes(const node& n) noexcept {
  if (n.weight_count() == 0) return 0;
  format::tensor_row row{};
  for (std::size_t i = 0; i < 4; ++i) row.dims[i] = n.weights[i];
  row.type = static_cast<std::uint8_t>(dtype::s8);
  const bool is_conv = n.kind == op_kind::conv2d;
  const auto attribute = [&](std::size_t i) { return is_conv ? n.attributes[i] : 1; };
  const auto groups = static_cast<std::size_t>(attribute(8));
  std::size_t most = 0;
  for (const std::ptrdiff_t pixel : {std::ptrdiff_t{-1}, std::ptrdiff_t{n.weights[3]}}) {
    const auto form = ops::conv_form::of(row, attribute(0), attribute(1), attribute(6), attribute(7), attribute(8),
                                         is_conv ? pixel : -1, n.out);
    for (const isa_row& level : isa_rows) {
      most = std::max(most, kernels::conv_pack_bytes(form.geometry, level.id));
      for (const std::int32_t group : {0, smallest_group})
        most = std::max(most, kernels::conv_s4_pack_bytes(form.geometry, group, level.id));
    }
  }
  return ops::conv_tables::bytes(static_cast<std::size_t>(n.weights[0]) + 64) +
         round_up(groups * sizeof(kernels::conv_packed), 64) + groups * round_up(most, 64);
}

template <std::size_t N>
constexpr void ask_halos(const graph<N>& g, places<N>& p) noexcept {
  for (const node& n : g.nodes) {
    if (n.kind != op_kind::conv2d) continue;
    const ops::spatial_window w{n.weights[1],    n.weights[2],    n.attributes[0], n.attributes[1],
                                n.attributes[2], n.attributes[3], n.attributes[6], n.attributes[7]};
    const ops::halo h = w.halo_around(n.in, n.out);
    tensor_layout& l = p.tensors[static_cast<std::size_t>(n.from[0])].layout;
    l.top = std::max(l.top, h.top);
    l.left = std::max(l.left, h.left);
    l.bottom = std::max(l.bottom, h.bottom);
    l.right = std::max(l.right, h.right);
  }
}

template <std::size_t N>
constexpr void size_tensors(const graph<N>& g, extents input, places<N>& p) noexcept {
  for (std::size_t i = 0; i <= N; ++i) {
    const extents e = i == 0 ? input : g.nodes[i - 1].out;
    const bool f32 = i != 0 && g.nodes[i - 1].f32;
    tensor_layout& l = p.tensors[i].layout;
    const auto c = static_cast<std::size_t>(e.c);
    l.channels = i == 0 || f32 ? e.c : static_cast<std::int32_t>(round_up(c, channel_block));
    const auto size = [](std::int32_t n) { return static_cast<std::size_t>(n); };
    p.tensors[i].bytes = size(l.top + e.h + l.bottom) * size(l.left + e.w + l.right) * size(l.channels) *
                             (f32 ? sizeof(float) : 1) +
                         slack;
  }
}

/// Packed weights, input and output stay; values share what is left, each at the lowest place that is free while it
/// lives.
template <std::size_t N>
constexpr places<N> place_all(const graph<N>& g, extents input) noexcept {
  places<N> p;
  ask_halos(g, p);
  size_tensors(g, input, p);
  std::size_t end = 0, unpacked = 0;
  const auto take = [&](place& at) {
    at.offset = end;
    end = round_up(end + at.bytes, 64);
  };
  for (std::size_t i = 0; i < N; ++i) {
    p.ops[i].bytes = op_bytes(g.nodes[i]);
    unpacked = std::max(unpacked, g.nodes[i].weight_count());
    take(p.ops[i]);
  }
  take(p.tensors[0]);
  take(p.tensors[N]);
  p.temporary = end;
  std::array<std::size_t, N + 1> last{};  // op that reads a tensor last
  for (std::size_t i = 0; i < N; ++i)
    for (const std::int32_t from : g.nodes[i].from)
      if (from >= 0) last[static_cast<std::size_t>(from)] = i;
  std::size_t high = p.temporary;
  for (std::size_t i = 1; i < N; ++i) {  // tensor i is written by op i - 1
    std::size_t at = p.temporary;
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t k = 1; k < i; ++k) {
        const place& other = p.tensors[k];
        if (last[k] + 1 < i || at + p.tensors[i].bytes <= other.offset || other.offset + other.bytes <= at) continue;
        at = round_up(other.offset + other.bytes, 64);
        moved = true;
      }
    }
    p.tensors[i].offset = at;
    high = std::max(high, at + p.tensors[i].bytes);
  }
  p.bytes = round_up(std::max(high, p.temporary + unpacked), 64);
  return p;
}

}  // namespace dsmm::inline DSMM_ABI::net_impl
