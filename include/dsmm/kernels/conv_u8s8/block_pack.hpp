// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"
#include "dsmm/kernels/conv_u8s8/panel_pack.hpp"
#include "dsmm/kernels/conv_u8s8/quad_layouts.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// Quads whose inputs follow each other in memory, cut into blocks of one length for kernels that multiply matrices.
/// A block has up to 16 quads. The last one of a run starts early where the length does not divide the run; its weights
/// of quads that the block before has are 0.
struct quad_blocks {
  std::int32_t run = 1;     ///< quads that follow each other
  std::int32_t length = 1;  ///< quads of a block
  std::int32_t per_run = 1, total = 1;

  static constexpr quad_blocks of(const conv_geometry& g, std::int32_t run) noexcept {
    quad_blocks b;
    b.run = run;
    b.per_run = (run + 15) / 16;
    b.length = (run + b.per_run - 1) / b.per_run;
    b.total = g.quads() / run * b.per_run;
    return b;
  }
  /// Runs are rows of the kernel where its taps touch, as in the third of convolutions that is not 1x1; or taps.
  static quad_blocks of(const conv_geometry& g, const std::int32_t* offsets) noexcept {
    const std::int32_t tap = g.in_channels_padded / 4;
    const bool touching = g.kernel_w == 1 || offsets[tap] == offsets[tap - 1] + 4;
    return of(g, touching ? tap * g.kernel_w : tap);
  }

  /// First quad of block i, counted in the whole list, and how many of its quads the block before has.
  constexpr std::int32_t first(std::int32_t i) const noexcept {
    return i / per_run * run + std::min(i % per_run * length, run - length);
  }
  constexpr std::int32_t shared(std::int32_t i) const noexcept {
    return i % per_run * length - std::min(i % per_run * length, run - length);
  }
};

/// What a Layout of block_pack writes down.
struct weight_block {
  std::int8_t w8[16][16][4];  ///< (quads, channels, 4)
  std::uint8_t scales[16];    ///< of the channels, where weights are nibbles
  std::int32_t quads;
};

/// Packs weights into panels of 32 or 16 channels: (registers of 16 channels, blocks), so that a kernel reads them in
/// one stream. Blocks of zeros in all channels of a panel are left out. In a conv_panel of this packing quads, offsets
/// and row_ends count blocks. A Layout says
///   block_bytes(quads)   bytes of a block of 16 channels
///   put(block, out)      writes it
///   nibbles              whether weights are nibbles times a scale, one for a channel of a block
template <class Layout>
struct block_pack {
  static constexpr std::size_t pack_bytes(const conv_geometry& g) noexcept {
    const std::int32_t tap = g.in_channels_padded / 4;
    return std::max(bytes_of(g, quad_blocks::of(g, tap)), bytes_of(g, quad_blocks::of(g, tap * g.kernel_w)));
  }

  static void pack(const conv_weights& from, std::byte* memory, conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    const quad_blocks blocks = quad_blocks::of(g, p.offsets);
    auto* const panels = reinterpret_cast<conv_panel*>(memory);
    p.panels = panels;
    p.panel_count = (g.out_channels + 31) / 32;
    memory += round_up(static_cast<std::size_t>(p.panel_count) * sizeof(conv_panel), 64);
    for (std::int32_t i = 0; i < p.panel_count; ++i) {
      ::new (panels + i) conv_panel{};
      panels[i].channel = i * 32;
      panels[i].channels = width(g.out_channels - i * 32);
      fill(from, p, blocks, panels[i], memory);
    }
  }

  /// Whether a kernel of blocks is faster than one of quads. As measured for a pixel and 32 channels, a block takes two
  /// times as long as a quad, and sums of blocks as long as seven quads more to come out of their tiles; zeros take no
  /// time. One pixel takes as long as sixteen.
  static bool is_worth(const conv_weights& from, const conv_packed& p) noexcept {
    const conv_geometry& g = p.geometry;
    const quad_blocks blocks = quad_blocks::of(g, p.offsets);
    if (from.pixels != 0 && from.pixels < 4) return false;
    std::int64_t quads_left = 0, blocks_left = 0;
    for (conv_panel panel{}; panel.channel < g.out_channels; panel.channel += 32) {
      panel.channels = width(g.out_channels - panel.channel);
      for (std::int32_t i = 0; i < blocks.total; ++i) {
        const std::int64_t before = quads_left;
        for (std::int32_t q = blocks.shared(i); q < blocks.length; ++q)
          quads_left += !is_zero(from, g, panel, blocks.first(i) + q);
        blocks_left += quads_left != before;
      }
    }
    return blocks_left * 2 + (g.out_channels + 31) / 32 * 7 <= quads_left;
  }

private:
  using quads = panel_pack<quads_of_bytes<32>>;

  static constexpr std::int32_t width(std::int32_t rest) noexcept { return rest > 16 ? 32 : 16; }

  static constexpr std::size_t bytes_of(const conv_geometry& g, const quad_blocks& blocks) noexcept {
    const auto panels = static_cast<std::size_t>((g.out_channels + 31) / 32),
               total = static_cast<std::size_t>(blocks.total);
    return round_up(panels * sizeof(conv_panel), 64) +
           panels * (round_up(total * 4, 64) + round_up(static_cast<std::size_t>(g.kernel_h) * 4, 64) +
                     total * 2 * static_cast<std::size_t>(Layout::block_bytes(blocks.length)));
  }

  static void fill(const conv_weights& from, const conv_packed& p, const quad_blocks& blocks, conv_panel& panel,
                   std::byte*& memory) noexcept {
    const conv_geometry& g = p.geometry;
    auto* const offsets = reinterpret_cast<std::int32_t*>(memory);
    memory += round_up(static_cast<std::size_t>(blocks.total) * 4, 64);
    auto* const row_ends = reinterpret_cast<std::int32_t*>(memory);
    memory += round_up(static_cast<std::size_t>(g.kernel_h) * 4, 64);
    panel.weights = reinterpret_cast<const std::int8_t*>(memory);
    panel.offsets = offsets;
    panel.row_ends = row_ends;
    panel.block = blocks.length;
    for (std::int32_t first = 0; first < panel.channels; first += 16) {
      panel.quads = 0;
      for (std::int32_t i = 0; i < blocks.total; ++i) {
        if (!is_zero(from, g, blocks, panel, i)) {
          offsets[panel.quads++] = p.offsets[blocks.first(i)];
          Layout::put(block_of(from, g, blocks, panel, first, i), reinterpret_cast<std::int8_t*>(memory));
          memory += Layout::block_bytes(blocks.length);
        }
        row_ends[i / (blocks.total / g.kernel_h)] = panel.quads;
      }
    }
  }

  /// Block i of 16 channels from `first` of the panel on.
  static weight_block block_of(const conv_weights& from, const conv_geometry& g, const quad_blocks& blocks,
                               const conv_panel& panel, std::int32_t first, std::int32_t i) noexcept {
    weight_block b{};
    b.quads = blocks.length;
    for (std::int32_t q = blocks.shared(i); q < blocks.length; ++q) {
      std::int8_t quad[32][4] = {};
      quads::read(from, g, panel, blocks.first(i) + q, quad);
      std::memcpy(b.w8[q], quad + first, sizeof b.w8[q]);
    }
    if constexpr (Layout::nibbles) {
      const std::int32_t per_tap = g.in_channels_padded / 4, q = blocks.first(i) + blocks.shared(i);
      const std::int32_t k = q / per_tap * g.in_channels + q % per_tap * 4;
      const std::int32_t depth = g.kernel_h * g.kernel_w * g.in_channels;
      for (std::int32_t o = 0; o < 16; ++o) {
        const std::int32_t channel = panel.channel + first + o;
        b.scales[o] = from.group == 0 || channel >= g.out_channels
                          ? std::uint8_t{16}
                          : from.scales[channel * ((depth + from.group - 1) / from.group) + k / from.group];
      }
    }
    return b;
  }

  static bool is_zero(const conv_weights& from, const conv_geometry& g, const quad_blocks& blocks,
                      const conv_panel& panel, std::int32_t block) noexcept {
    for (std::int32_t q = blocks.shared(block); q < blocks.length; ++q)
      if (!is_zero(from, g, panel, blocks.first(block) + q)) return false;
    return true;
  }

  static bool is_zero(const conv_weights& from, const conv_geometry& g, const conv_panel& panel,
                      std::int32_t q) noexcept {
    std::int8_t quad[32][4] = {};
    quads::read(from, g, panel, q, quad);
    for (const auto& of_channel : quad)
      for (const std::int8_t w : of_channel)
        if (w != 0) return false;
    return true;
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
