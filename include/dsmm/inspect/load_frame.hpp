// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/inspect/frame_view.hpp"
#include "dsmm/kernels/camera_rows.hpp"
#include "dsmm/kernels/resize_taps.hpp"
#include "dsmm/kernels/resize_u8/generic.hpp"

/// From a camera's memory to a model's input.
namespace dsmm::inline DSMM_ABI {

/// Luma of ITU-R BT.601 in eighths of a bit: (77 r + 150 g + 29 b + 128) / 256, exact on every machine.
constexpr std::uint8_t luma(std::uint8_t r, std::uint8_t g, std::uint8_t b) noexcept {
  return static_cast<std::uint8_t>((77u * r + 150u * g + 29u * b + 128u) >> 8);
}

namespace load_frame_impl {

using kernels::colour_run;

constexpr kernels::bayer_cell cell_of(pixel_format format) noexcept {
  switch (format) {
    case pixel_format::bayer_bggr: return {1, 1};
    case pixel_format::bayer_grbg: return {0, 1};
    case pixel_format::bayer_gbrg: return {1, 0};
    default: return {0, 0};
  }
}

constexpr const kernels::yuv_matrix& matrix_of(const frame_view& f) noexcept {
  if (f.full_range) return f.hd_colours ? kernels::bt709_full : kernels::bt601_full;
  return f.hd_colours ? kernels::bt709 : kernels::bt601;
}

constexpr bool blue_first(pixel_format format) noexcept {
  return format == pixel_format::bgr || format == pixel_format::bgrx;
}

/// Pixels of Step bytes, red or blue first; grey ones are all three colours.
template <std::int32_t Step>
[[gnu::always_inline]] inline void take_planes(const std::uint8_t* in, std::int32_t red, std::int32_t n,
                                               colour_run& out) noexcept {
  constexpr std::int32_t middle = Step == 1 ? 0 : 1, last = Step == 1 ? 0 : 2;
  std::uint8_t *const low = (red == 0 ? out.red : out.blue).data(), *const mid = out.green.data(),
                      *const high = (red == 0 ? out.blue : out.red).data();
  for (std::int32_t i = 0; i < n; ++i) {
    low[i] = in[i * Step];
    mid[i] = in[i * Step + middle];
    high[i] = in[i * Step + last];
  }
}

/// Three planes to pixels of three bytes, `pixel` bytes apart.
[[gnu::always_inline]] inline void put_pixels(const std::uint8_t* a, const std::uint8_t* b, const std::uint8_t* c,
                                              std::int32_t n, std::ptrdiff_t pixel, std::uint8_t* to) noexcept {
  for (std::int32_t i = 0; i < n; ++i) to[i * pixel] = a[i], to[i * pixel + 1] = b[i], to[i * pixel + 2] = c[i];
}

/// Columns [first, first + n) of row y, first even and n at most 64.
inline void colours(const frame_view& f, std::int32_t y, std::int32_t first, std::int32_t n, colour_run& out) noexcept {
  const std::uint8_t* const row = f.data + y * f.stride;
  const std::int32_t step = bytes_per_pixel(f.format);
  if (f.format == pixel_format::nv12) {
    kernels::nv12_run(row + first, f.chroma + y / 2 * f.chroma_stride + first, n, matrix_of(f), out);
  } else if (step == 1 && f.format != pixel_format::gray8) {
    kernels::bayer_run(kernels::bayer_rows(f.data, f.stride, f.height, y), y, first, n, f.width, cell_of(f.format),
                       out);
  } else {
    const std::int32_t red = blue_first(f.format) ? 2 : 0;
    kernels::with_avx2([ in = row + std::ptrdiff_t{first} * step, step, n, red, to = &out ]()
                           __attribute__((always_inline)) {
                             if (step == 1) take_planes<1>(in, 0, n, *to);
                             else if (step == 3) take_planes<3>(in, red, n, *to);
                             else take_planes<4>(in, red, n, *to);
                           });
  }
}

/// The same as grey values.
inline void greys(const frame_view& f, std::int32_t y, std::int32_t first, std::int32_t n, std::uint8_t* out) noexcept {
  const std::uint8_t* const row = f.data + y * f.stride + first;
  if (f.format == pixel_format::gray8) {
    std::copy_n(row, n, out);
  } else if (f.format == pixel_format::nv12) {
    kernels::grey_run(row, n, matrix_of(f), out);
  } else {
    colour_run run;
    colours(f, y, first, n, run);
    kernels::with_avx2([ n, out, r = run.red.data(), g = run.green.data(), b = run.blue.data() ]()
                           __attribute__((always_inline)) {
                             for (std::int32_t i = 0; i < n; ++i) out[i] = luma(r[i], g[i], b[i]);
                           });
  }
}

/// Pixels that lie `pixel` bytes apart, (n, 1) or (n, 3).
inline void row_part(const frame_view& f, pixel_format channels, std::int32_t y, std::int32_t first, std::int32_t n,
                     std::int32_t depth, std::ptrdiff_t pixel, std::uint8_t* to) noexcept {
  if (depth == 1) {
    std::uint8_t grey[colour_run::length];
    greys(f, y, first, n, grey);
    for (std::int32_t i = 0; i < n; ++i) to[i * pixel] = grey[i];
    return;
  }
  colour_run run;
  colours(f, y, first, n, run);
  const bool swapped = channels == pixel_format::bgr;
  kernels::with_avx2([
    n, to, pixel, a = (swapped ? run.blue : run.red).data(), b = run.green.data(),
    c = (swapped ? run.red : run.blue).data()
  ]() __attribute__((always_inline)) {
    if (pixel == 3) put_pixels(a, b, c, n, 3, to);  // known, so that stores become vectors
    else put_pixels(a, b, c, n, pixel, to);
  });
}

}  // namespace load_frame_impl

/// Copies a picture into a model's input of the same size: (H, W, 1) grey, or (H, W, 3) in the order of `channels`
/// (bgr or rgb). Rows may be padded on both sides. A grey picture fills all three channels. NV12 is of the
/// matrix and range that the view names; Bayer mosaics are demosaiced bilinearly. Cost: a pass over the picture; no
/// memory.
inline void load_frame(const frame_view& frame, pixel_format channels, tensor_view<std::uint8_t> input) noexcept {
  constexpr std::int32_t run = load_frame_impl::colour_run::length;
  const bool copied = frame.format == pixel_format::gray8 && input.shape.c == 1 && input.pixel == 1;
  for (std::int32_t y = 0; y < frame.height; ++y) {
    if (copied) {
      std::memcpy(input.at(y, 0), frame.data + y * frame.stride, static_cast<std::size_t>(frame.width));
      continue;
    }
    for (std::int32_t x = 0; x < frame.width; x += run)
      load_frame_impl::row_part(frame, channels, y, x, std::min(run, frame.width - x), input.shape.c, input.pixel,
                                input.at(y, x));
  }
}

/// As load_frame() of a picture of any size, and kernels::resize_bilinear_u8() of that: half-pixel centres, weights of
/// 11 bits, the same bytes. Four pixels are converted for each of the input's; no memory.
inline void load_frame_scaled(const frame_view& frame, pixel_format channels,
                              tensor_view<std::uint8_t> input) noexcept {
  using load_frame_impl::row_part;
  const std::int32_t depth = input.shape.c;
  for (std::int32_t oy = 0; oy < input.shape.h; ++oy) {
    const auto row = kernels::resize_impl::tap_u8(oy, frame.height, input.shape.h);
    for (std::int32_t ox = 0; ox < input.shape.w; ++ox) {
      const auto column = kernels::resize_impl::tap_u8(ox, frame.width, input.shape.w);
      const std::int32_t even = column.low & ~1, n = column.high + 1 - even;  // at most three columns
      std::uint8_t above[9], below[9];
      row_part(frame, channels, row.low, even, n, depth, depth, above);
      row_part(frame, channels, row.high, even, n, depth, depth, below);
      const std::int32_t left = (column.low - even) * depth, right = (column.high - even) * depth;
      kernels::resize_u8_impl::blend({above + left, above + right, below + left, below + right}, row, column,
                                     input.at(oy, ox), depth);
    }
  }
}

}  // namespace dsmm::inline DSMM_ABI
