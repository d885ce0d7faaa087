// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/conv_epilogue.hpp"
#include "dsmm/kernels/nd/conv_layer.hpp"
#include "dsmm/kernels/nd/direct_f32.hpp"
#include "dsmm/kernels/nd/gemm_f32.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// Dense convolutions without columns: tiles of direct_f32.hpp over pictures that lie padded in memory.
namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl {

/// Floats of the weights of one group, panel after panel of v.columns output channels.
inline std::int64_t direct_packed(const direct_kernel& v, const conv_shape& s) noexcept {
  return (s.out_channels + v.columns - 1) / v.columns * v.columns * s.depth();
}

/// Channels that are missing in the last panel are left as they are.
inline void direct_pack(const direct_kernel& v, const conv_shape& s, const float* w, float* to) noexcept {
  const std::int64_t depth = s.depth();
  for (std::int64_t o = 0; o < s.groups * s.out_channels; ++o) {
    const std::int64_t channel = o % s.out_channels, lane = channel % v.columns;
    float* const panel = to + o / s.out_channels * direct_packed(v, s) + (channel - lane) * depth + lane;
    for (std::int64_t k = 0; k < depth; ++k) panel[k * v.columns] = w[o * depth + k];
  }
}

/// Whether pixels are broadcast rather than columns written: by multiply-adds that are computed in vain, and what goes
/// beside them. Weights: a column of the matrix costs about 12 multiply-adds in which it is written, an output of a
/// transposed tile 7 (Zen 4).
inline bool is_direct(const direct_kernel& v, const conv_shape& s) noexcept {
  const window_shape& g = s.window;
  if (s.depthwise() || g.kernel[0] != 1 || g.in[0] != 1 || g.out[0] != 1 || (g.stride[2] != 1 && g.stride[2] != 2))
    return false;
  const std::int64_t half = v.columns / 2, depth = s.depth(), outputs = g.outputs();
  if (s.in_channels * padded_shape(g).plane() >= std::int64_t{1} << 31) return false;
  const auto ceil = [half](std::int64_t n) { return (n + half - 1) / half * half; };
  const std::int64_t copied = padded_shape::in_place(g) ? 0 : s.in_channels * g.inputs() * 4;
  const std::int64_t direct = outputs * ceil(s.out_channels) * (depth + 7) + copied;
  const std::int64_t columns =
      s.out_channels * ceil(outputs) * (depth + 2) + (g.pointwise() ? 0 : outputs * depth * 12);
  return direct <= columns;
}

/// Floats beside packed weights: offsets of the taps, then the padded picture.
inline std::int64_t direct_scratch(const conv_shape& s) noexcept {
  const std::int64_t picture =
      padded_shape::in_place(s.window) ? 0 : s.batch * s.groups * s.in_channels * padded_shape(s.window).plane();
  return s.depth() + picture;
}

/// How a picture is shared out: heavy weights are read once, all pixels to a panel; else strips of about 256 pixels,
/// all panels to a strip. While the tiles of a strip work with one panel they ask for the lines of the next, a share
/// each: panels come from far (3x3 512 -> 512 of 7 x 7 reads 9 MB: 2.65 ms without, 2.10 ms with it on Sapphire Rapids;
/// 256 -> 256 of 14 x 14 2.00, 1.79 ms).
struct direct_tasks {
  std::int64_t strip_rows, strips, panels, panel_groups;
  std::int64_t next_step;  ///< floats of the next panel to a step of k

  direct_tasks(const direct_kernel& v, const conv_shape& s) noexcept {
    const std::int64_t height = s.window.out[1], width = s.window.out[2];
    panels = (s.out_channels + v.columns - 1) / v.columns;
    const bool heavy = s.out_channels * s.depth() > s.in_channels * s.window.inputs() && panels >= 4;
    panel_groups = heavy ? panels : 1;
    strip_rows = heavy ? height : std::clamp<std::int64_t>((256 + width - 1) / width, 1, height);
    if (strip_rows > 1) strip_rows += strip_rows % 2;  // narrow rows go in pairs
    strips = (height + strip_rows - 1) / strip_rows;
    if (!heavy && strips < 8) panel_groups = std::min<std::int64_t>(panels, 8);  // or threads would wait for the last
    const std::int64_t tiles = std::max<std::int64_t>(1, std::min(strip_rows, height) * width / v.rows);
    next_step = (v.columns + tiles - 1) / tiles;
  }
};

/// `weights` from direct_pack(); `scratch` of direct_scratch() floats.
inline void direct(const call& c, const conv_shape& s, const float* weights, float* scratch) noexcept {
  const direct_kernel& v = direct_kernel_for(c.level);
  const window_shape& g = s.window;
  const padded_shape padded(g);
  const bool in_place = padded_shape::in_place(g);
  const std::int64_t channels = s.batch * s.groups * s.in_channels, depth = s.depth(), outputs = g.outputs();
  auto* const offsets = reinterpret_cast<std::int32_t*>(scratch);
  const float* x = c.in[0].as<const float>();
  const std::int64_t width = in_place ? g.in[2] : padded.width, plane = in_place ? g.inputs() : padded.plane();
  write_offsets(g, s.in_channels, width, plane, offsets);
  if (!in_place) {
    float* const to = scratch + depth;
    for_runs(c.exec, channels, row_grain(plane), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) write_padded(g, x + i * g.inputs(), to + i * plane);
    });
    x = to;
  }
  const epilogue after(c);
  const conv_epilogue_kernel finish = conv_epilogue_for(c.level);
  const direct_tasks share(v, s);
  const std::int64_t per_item = share.strips * share.panel_groups;
  for_runs(c.exec, s.batch * s.groups * per_item, 1, [&](std::int64_t t, std::int64_t) {
    const std::int64_t item = t / per_item, part = t % share.panel_groups;
    const std::int64_t strip = t % per_item / share.panel_groups * share.strip_rows;
    const std::int64_t group = item % s.groups, last = (part + 1) * share.panels / share.panel_groups;
    const float* const from = x + item * s.in_channels * plane;
    alignas(64) float sums[direct_impl::largest_tile] = {};
    for (std::int64_t p = part * share.panels / share.panel_groups; p < last; ++p) {
      const std::int64_t first = p * v.columns, count = std::min(v.columns, s.out_channels - first);
      const float* const w = weights + group * direct_packed(v, s) + first * depth;
      const std::int64_t out = (item * s.out_channels + first) * outputs;
      const float* next = w + v.columns * depth;
      for_pixel_tiles(strip, std::min(strip + share.strip_rows, g.out[1]), g.out[2], v.rows,
                      [&](std::int64_t row, std::int64_t column, std::int64_t pixels, bool two) {
                        const std::int64_t at = out + row * g.out[2] + column;
                        float* const y = c.out[0].as<float>() + at;
                        for (std::int64_t i = 0; i < count; ++i) __builtin_prefetch(y + i * outputs, 1);
                        v.tile(pixels, g.stride[2], two, count)(from + row * g.stride[1] * width + column * g.stride[2],
                                                                g.stride[1] * width, offsets, w, depth, sums, next,
                                                                share.next_step);
                        next += share.next_step * depth;
                        finish.transposed(after, sums, v.columns, pixels, count, y, outputs, at,
                                          group * s.out_channels + first);
                      });
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::conv_impl
