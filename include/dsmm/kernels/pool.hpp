// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/math.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/pad_channels.hpp"

namespace dsmm::inline DSMM_ABI::kernels {

/// Window of a pool. Elements outside the image count for nothing; a window without any yields the zero point (f32: 0).
struct pool_geometry {
  std::int32_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_top = 0, pad_left = 0;
};

/// The window that covers a whole image.
constexpr pool_geometry global_pool(extents x) noexcept { return {x.h, x.w, 1, 1, 0, 0}; }

namespace pool_impl {

/// The part of a window inside the image: rows [top, bottom), columns [left, right).
struct window {
  std::int32_t top, bottom, left, right;
  constexpr std::int32_t count() const noexcept {
    return bottom > top && right > left ? (bottom - top) * (right - left) : 0;
  }
};

constexpr window window_at(const pool_geometry& g, extents x, std::int32_t oy, std::int32_t ox) noexcept {
  const std::int32_t top = oy * g.stride_h - g.pad_top, left = ox * g.stride_w - g.pad_left;
  return {std::max(top, 0), std::min(top + g.kernel_h, x.h), std::max(left, 0), std::min(left + g.kernel_w, x.w)};
}

/// Channels whose sums are kept on the stack at a time.
inline constexpr std::int32_t block = 64;

/// f(pixel, first channel, channels) for every pixel of the window.
template <class T, class F>
[[gnu::always_inline]] inline void for_window(const tensor_view<const T>& x, const window& w, const F& f) noexcept {
  for (std::int32_t iy = w.top; iy < w.bottom; ++iy)
    for (std::int32_t ix = w.left; ix < w.right; ++ix) f(x.at(iy, ix));
}

constexpr bool factor(const quantization& x, const quantization& y, std::int32_t n, fixed_point& out) noexcept {
  return make_fixed_point(static_cast<double>(x.scale) / (n * static_cast<double>(y.scale)), out);
}

}  // namespace pool_impl

namespace pool_impl {

/// Channels of a pixel in a register. Named one by one, as g++ 12 forgets a vector_size that depends on a parameter.
struct eight {
  using bytes = std::uint8_t __attribute__((vector_size(8)));
};
struct sixteen {
  using bytes = std::uint8_t __attribute__((vector_size(16)));
};
struct thirty_two {
  using bytes = std::uint8_t __attribute__((vector_size(32)));
};

/// The pixels of any window, one after the other.
struct any_window {
  const tensor_view<const std::uint8_t>& x;
  const window& w;
  template <class F>
  [[gnu::always_inline]] void operator()(const F& f) const noexcept {
    for_window(x, w, f);
  }
};

/// Those of a window of this size: without loops, 3x3 takes a third of the time.
template <std::int32_t Height, std::int32_t Width>
struct whole_window {
  const std::uint8_t* first;
  std::ptrdiff_t row, pixel;
  template <class F>
  [[gnu::always_inline]] void operator()(const F& f) const noexcept {
    for (std::int32_t i = 0; i < Height; ++i)
      for (std::int32_t j = 0; j < Width; ++j) f(first + i * row + j * pixel);
  }
};

template <class Channels, class Window>
[[gnu::always_inline]] inline void largest_of(const Window& w, std::int32_t channel, std::uint8_t* out) noexcept {
  using bytes = typename Channels::bytes;
  bytes most{};
  w([&](const std::uint8_t* in) __attribute__((always_inline)) {
    bytes v;
    std::memcpy(&v, in + channel, sizeof v);
    most = v > most ? v : most;
  });
  std::memcpy(out + channel, &most, sizeof most);
}

/// Registers of 32, 16 and 8 channels; the last one starts early rather than being short.
template <class Window>
[[gnu::always_inline]] inline void largest(const Window& w, std::int32_t count, std::uint8_t* out) noexcept {
  std::int32_t c = 0;
  for (; c + 32 <= count; c += 32) largest_of<thirty_two>(w, c, out);
  for (; c + 16 <= count; c += 16) largest_of<sixteen>(w, c, out);
  if (c == count) return;
  if (count >= 16) return largest_of<sixteen>(w, count - 16, out);
  if (count >= 8) {
    largest_of<eight>(w, 0, out);
    return largest_of<eight>(w, count - 8, out);
  }
  for (c = 0; c < count; ++c) out[c] = 0;
  w([ out, count ](const std::uint8_t* in) __attribute__((always_inline)) {
    for (std::int32_t i = 0; i < count; ++i) out[i] = in[i] > out[i] ? in[i] : out[i];
  });
}

[[gnu::always_inline]] inline void largest(const tensor_view<const std::uint8_t>& x, const window& w,
                                           std::int32_t count, std::uint8_t* out) noexcept {
  const std::int32_t height = w.bottom - w.top, width = w.right - w.left;
  if (height == 3 && width == 3) return largest(whole_window<3, 3>{x.at(w.top, w.left), x.row, x.pixel}, count, out);
  if (height == 2 && width == 2) return largest(whole_window<2, 2>{x.at(w.top, w.left), x.row, x.pixel}, count, out);
  largest(any_window{x, w}, count, out);
}

}  // namespace pool_impl

/// Largest element of each window; rows [y_begin, y_end) of y. Same scale and zero point in and out.
inline void max_pool_u8(tensor_view<const std::uint8_t> x, tensor_view<std::uint8_t> y, const pool_geometry& g,
                        std::int32_t zero_point, std::int32_t y_begin, std::int32_t y_end) noexcept {
  with_avx2([=]() __attribute__((always_inline)) {
    for (std::int32_t oy = y_begin; oy < y_end; ++oy)
      for (std::int32_t ox = 0; ox < y.shape.w; ++ox) {
        const pool_impl::window w = pool_impl::window_at(g, x.shape, oy, ox);
        std::uint8_t* out = y.at(oy, ox);
        if (w.count() != 0) pool_impl::largest(x, w, y.shape.c, out);
        else std::memset(out, zero_point, static_cast<std::size_t>(y.shape.c));
        pad_channels(y, out, zero_point);
      }
  });
}

/// Largest element of each window; a window with a NaN yields quiet_nan, one whose largest is a zero yields +0.
inline void max_pool_f32(tensor_view<const float> x, tensor_view<float> y, const pool_geometry& g, std::int32_t y_begin,
                         std::int32_t y_end) noexcept {
  with_avx2([=]() __attribute__((always_inline)) {
    for (std::int32_t oy = y_begin; oy < y_end; ++oy)
      for (std::int32_t ox = 0; ox < y.shape.w; ++ox) {
        const pool_impl::window w = pool_impl::window_at(g, x.shape, oy, ox);
        float* out = y.at(oy, ox);
        const float first = w.count() == 0 ? 0.0f : -math_impl::infinity;
        for (std::int32_t c = 0; c < y.shape.c; ++c) out[c] = first;
        pool_impl::for_window(
            x, w, [ out, y ](const float* in) __attribute__((always_inline)) {
              for (std::int32_t c = 0; c < y.shape.c; ++c) {
                const float larger = choose(in[c] > out[c], in[c], out[c]);  // keeps a NaN in out
                out[c] = choose(in[c] == in[c], larger, quiet_nan);
              }
            });
        for (std::int32_t c = 0; c < y.shape.c; ++c) out[c] += 0.0f;
      }
  });
}

/// Whether every window of an average pool has a factor x.scale / (n * y.scale) that fixed_point can hold.
constexpr bool avg_pool_fits(extents x, extents y, const pool_geometry& g, const quantization& qx,
                             const quantization& qy) noexcept {
  fixed_point factor;
  for (std::int32_t oy = 0; oy < y.h; ++oy)
    for (std::int32_t ox = 0; ox < y.w; ++ox) {
      const std::int32_t n = pool_impl::window_at(g, x, oy, ox).count();
      if (n != 0 && !pool_impl::factor(qx, qy, n, factor)) return false;
    }
  return true;
}

/// y = clamp(zp_y + rq(sum - n * zp_x, F(x.scale / (n * y.scale)))), n the elements of the window inside the image,
/// at most 2^23; rows [y_begin, y_end). avg_pool_fits() has been asked.
inline void avg_pool_u8(tensor_view<const std::uint8_t> x, tensor_view<std::uint8_t> y, const pool_geometry& g,
                        const quantization& qx, const quantization& qy, std::int32_t y_begin,
                        std::int32_t y_end) noexcept {
  with_avx2([=]() __attribute__((always_inline)) {
    fixed_point factor;
    std::int32_t factor_count = 0;
    for (std::int32_t oy = y_begin; oy < y_end; ++oy)
      for (std::int32_t ox = 0; ox < y.shape.w; ++ox) {
        const pool_impl::window w = pool_impl::window_at(g, x.shape, oy, ox);
        const std::int32_t n = w.count();
        if (n != factor_count && n != 0) {
          pool_impl::factor(qx, qy, n, factor);
          factor_count = n;
        }
        for (std::int32_t c0 = 0; c0 < y.shape.c; c0 += pool_impl::block) {
          const std::int32_t channels = std::min(pool_impl::block, y.shape.c - c0);
          std::int32_t sums[pool_impl::block] = {};
          std::int32_t* s = sums;
          pool_impl::for_window(
              x, w, [ s, c0, channels ](const std::uint8_t* in) __attribute__((always_inline)) {
                for (std::int32_t c = 0; c < channels; ++c) s[c] += in[c0 + c];
              });
          for (std::int32_t c = 0; c < channels; ++c)
            y.at(oy, ox)[c0 + c] = clamp_u8(qy.zero_point + requantize(sums[c] - n * qx.zero_point, factor));
        }
        pad_channels(y, y.at(oy, ox), qy.zero_point);
      }
  });
}

/// y = (sum of the window, row by row) / float(n); rows [y_begin, y_end).
inline void avg_pool_f32(tensor_view<const float> x, tensor_view<float> y, const pool_geometry& g, std::int32_t y_begin,
                         std::int32_t y_end) noexcept {
  with_avx2([=]() __attribute__((always_inline)) {
    for (std::int32_t oy = y_begin; oy < y_end; ++oy)
      for (std::int32_t ox = 0; ox < y.shape.w; ++ox) {
        const pool_impl::window w = pool_impl::window_at(g, x.shape, oy, ox);
        float* out = y.at(oy, ox);
        const float n = static_cast<float>(std::max(w.count(), 1));
        for (std::int32_t c = 0; c < y.shape.c; ++c) out[c] = 0.0f;
        pool_impl::for_window(
            x, w, [ out, y ](const float* in) __attribute__((always_inline)) {
              for (std::int32_t c = 0; c < y.shape.c; ++c) out[c] += in[c];
            });
        for (std::int32_t c = 0; c < y.shape.c; ++c) out[c] = canonical(out[c] / n);
      }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels
