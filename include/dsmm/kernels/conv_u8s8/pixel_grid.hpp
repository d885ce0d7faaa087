// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl {

/// The outputs of a call as `lines` lines of `length` pixels with constant steps, so that a tile takes a run of pixels
/// of one line. Lines are rows; columns where rows are shorter than a run, as a series is one pixel wide; or one line
/// of all pixels where rows follow each other without a gap, as in a 1x1 convolution without a halo.
template <class T>
struct pixel_grid {
  std::int32_t lines = 0, length = 0;
  std::ptrdiff_t x_line = 0, x_step = 0;  ///< bytes between the first taps of outputs
  std::ptrdiff_t y_line = 0, y_step = 0;  ///< elements between outputs
  const std::uint8_t* x = nullptr;
  T* y = nullptr;
  std::int32_t first_row = -1;  ///< where lines are rows, the first one

  static pixel_grid of(const conv_geometry& g, const conv_input& x, const tensor_view<T>& y, std::int32_t y_begin,
                       std::int32_t y_end, std::int32_t run) noexcept {
    const std::ptrdiff_t down = x.row * g.stride_h, right = x.pixel * g.stride_w;
    const std::int32_t rows = y_end - y_begin;
    const std::uint8_t* const first = x.data + y_begin * down;
    if (y.shape.w > 1 && down == right * y.shape.w && y.row == y.pixel * y.shape.w)
      return {1, rows * y.shape.w, 0, right, 0, y.pixel, first, y.at(y_begin, 0), -1};
    if (y.shape.w < run && rows > y.shape.w)
      return {y.shape.w, rows, right, down, y.pixel, y.row, first, y.at(y_begin, 0), -1};
    return {rows, y.shape.w, down, right, y.row, y.pixel, first, y.at(y_begin, 0), y_begin};
  }
};

/// Consecutive pixels of a line: where the first one starts.
template <class T>
struct pixel_run {
  const std::uint8_t* x;
  T* y;
};

}  // namespace dsmm::inline DSMM_ABI::kernels::conv_u8s8_impl
