// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// Packs weights into panels of output channels. A Layout says what differs between variants:
///   width(rest)               channels of the next panel if `rest` are left, at most max_width
///   quad_bytes(width)         bytes of four inputs x width
///   put(quad, width, out)     writes them; quad is s8 (width, 4)
///   nibbles                   whether quads hold w8 / scale, -8 .. 7, in segments of one scale per channel
///   sums                      whether the kernel wants the sums of the weights
/// Memory: panels, then per panel offsets, ends, row_ends, sums, scales and weights.
template <class Layout>
struct panel_pack {
  static constexpr std::size_t pack_bytes(const conv_geometry& g, std::int32_t group) noexcept {
    std::size_t bytes = round_up(static_cast<std::size_t>(count(g)) * sizeof(conv_panel), 64);
    for (std::int32_t o = 0; o < g.out_channels; o += Layout::width(g.out_channels - o)) {
      const auto width = static_cast<std::size_t>(Layout::width(g.out_channels - o));
      const auto quads = static_cast<std::size_t>(g.quads()), runs = static_cast<std::size_t>(segments(g, group));
      bytes += round_up(quads * 4, 64) + round_up(static_cast<std::size_t>(g.kernel_h) * 4, 64) +
               round_up(runs * 4, 64) + round_up(width * 4, 64) + round_up(runs * width, 64) +
               round_up(quads * Layout::quad_bytes(width), 64);
    }
    return bytes;
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    auto* const panels = reinterpret_cast<conv_panel*>(memory);
    p.panels = panels;
    p.panel_count = count(g);
    memory += round_up(static_cast<std::size_t>(p.panel_count) * sizeof(conv_panel), 64);
    std::int32_t i = 0;
    for (std::int32_t o = 0; o < g.out_channels; o += panels[i++].channels) {
      ::new (panels + i) conv_panel{};
      panels[i].channel = o;
      panels[i].channels = Layout::width(g.out_channels - o);
      fill(from, p, panels[i], memory);
    }
  }

  /// The weights of quad `q`, zeros where there are none; the I4S group they lie in.
  static std::int32_t read(const conv_weights& from, const conv_geometry& g, const conv_panel& panel, std::int32_t q,
                           std::int8_t (*quad)[4]) noexcept {
    const std::int32_t per_tap = g.in_channels_padded / 4, tap = q / per_tap, first = q % per_tap * 4;
    const std::int32_t k = tap * g.in_channels + first, group = from.group;
    const std::int32_t run = Layout::nibbles && group != 0 ? k / group : 0, runs = segments(g, group);
    for (std::int32_t o = 0; o < panel.channels; ++o)
      for (std::int32_t i = 0; i < 4; ++i) {
        const std::int32_t channel = panel.channel + o;
        const bool there = channel < g.out_channels && first + i < g.in_channels;
        const int w = there ? from.w8[std::ptrdiff_t{channel} * depth(g) + k + i] : 0;
        const int scale = !Layout::nibbles || !there ? 1 : runs == 0 ? 16 : from.scales[channel * runs + run];
        quad[o][i] = static_cast<std::int8_t>(w / scale);
      }
    return run;
  }

private:
  static constexpr std::int32_t count(const conv_geometry& g) noexcept {
    std::int32_t n = 0;
    for (std::int32_t o = 0; o < g.out_channels; o += Layout::width(g.out_channels - o)) ++n;
    return n;
  }
  static constexpr std::int32_t depth(const conv_geometry& g) noexcept {
    return g.kernel_h * g.kernel_w * g.in_channels;
  }
  static constexpr std::int32_t segments(const conv_geometry& g, std::int32_t group) noexcept {
    return Layout::nibbles && group != 0 ? (depth(g) + group - 1) / group : 0;
  }

  /// The next `n` values of T in the memory, 64-byte aligned.
  template <class T>
  static T* take(std::byte*& memory, std::size_t n) noexcept {
    T* const at = reinterpret_cast<T*>(memory);
    memory += round_up(n * sizeof(T), 64);
    return at;
  }

  static void fill(const conv_weights& from, const conv_packed& p, conv_panel& panel, std::byte*& memory) noexcept {
    const conv_geometry& g = p.geometry;
    const auto width = static_cast<std::size_t>(panel.channels);
    const std::int32_t runs = segments(g, from.group);
    auto* const offsets = take<std::int32_t>(memory, static_cast<std::size_t>(g.quads()));
    auto* const ends = take<std::int32_t>(memory, static_cast<std::size_t>(runs));
    auto* const row_ends = take<std::int32_t>(memory, static_cast<std::size_t>(g.kernel_h));
    auto* const sums = take<std::int32_t>(memory, width);
    auto* const scales = take<std::uint8_t>(memory, static_cast<std::size_t>(runs) * width);
    auto* weights = reinterpret_cast<std::int8_t*>(memory);
    panel.weights = weights;
    panel.sums = sums;
    std::memset(sums, 0, width * sizeof *sums);
    for (std::int32_t s = 0; s < runs; ++s) ends[s] = 0;
    const std::int32_t quads_of_kernel_row = g.quads() / g.kernel_h;
    for (std::int32_t q = 0; q < g.quads(); ++q) {
      row_ends[q / quads_of_kernel_row] = panel.quads;
      std::int8_t quad[Layout::max_width][4];
      const std::int32_t run = read(from, g, panel, q, quad);
      if (is_zero(quad, width)) continue;
      Layout::put(quad, width, weights);
      weights += Layout::quad_bytes(width);
      offsets[panel.quads++] = p.offsets[q];
      row_ends[q / quads_of_kernel_row] = panel.quads;
      if (runs != 0) ends[run] = panel.quads;
      for (std::size_t o = 0; Layout::sums && o < width; ++o)
        sums[o] += quad[o][0] + quad[o][1] + quad[o][2] + quad[o][3];
    }
    for (std::int32_t s = 0; s < runs; ++s) {
      if (s != 0 && ends[s] < ends[s - 1]) ends[s] = ends[s - 1];
      for (std::int32_t o = 0; o < panel.channels; ++o)
        scales[s * panel.channels + o] =
            panel.channel + o < g.out_channels ? from.scales[(panel.channel + o) * runs + s] : std::uint8_t{1};
    }
    // A list without gaps is the one that all panels share: it stays in the first cache.
    panel.offsets = panel.quads == g.quads() ? p.offsets : offsets;
    panel.row_ends = row_ends;
    panel.ends = ends;
    panel.scales = scales;
    panel.segments = runs;
    memory += round_up(static_cast<std::size_t>(panel.quads) * Layout::quad_bytes(width), 64);
  }

  static bool is_zero(const std::int8_t (*quad)[4], std::size_t width) noexcept {
    std::uint32_t any = 0;
    for (std::size_t o = 0; o < width; ++o) {
      std::uint32_t word;
      std::memcpy(&word, quad[o], sizeof word);
      any |= word;
    }
    return any == 0;
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
