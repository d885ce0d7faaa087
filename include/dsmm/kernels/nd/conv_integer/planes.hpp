// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/conv_integer/packed.hpp"
#include "dsmm/kernels/nd/integer.hpp"
#include "dsmm/kernels/nd/register_transpose.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// From the planes of a tensor to the pixels that the kernels read, and from their sums back to planes.
namespace dsmm::inline DSMM_ABI::kernels::nd::conv_integer_impl {

/// Of one element, or of element i.
inline float value_at(const view& x, std::int64_t i) noexcept { return x.as<const float>()[x.count() == 1 ? 0 : i]; }

/// Per channel: zero points of the weights, scale and bias.
struct plane_values {
  std::int32_t* zeros;
  float *scale, *bias;
  bool corrects = false, is_real, has_bias;

  plane_values(const call& c, std::byte* memory, std::int64_t channels) noexcept
      : zeros(reinterpret_cast<std::int32_t*>(memory)),
        scale(reinterpret_cast<float*>(memory + word_bytes(channels))),
        bias(reinterpret_cast<float*>(memory + 2 * word_bytes(channels))),
        is_real(static_cast<bool>(c.in[4])),
        has_bias(static_cast<bool>(c.in[5])) {
    for (std::int64_t o = 0; o < channels; ++o) {
      zeros[o] = moved_weight_zero(c.in[1], c.in[3], o);
      corrects = corrects || zeros[o] != 0;
      scale[o] = is_real ? value_at(c.in[4], o) : 0.0f;
      bias[o] = has_bias ? value_at(c.in[5], o) : 0.0f;
    }
  }
};

/// The sum of x - zero over the window of output p of a block and of channel o is at[o / channels_each * group_step +
/// p]; null if nobody asks.
struct window_sums {
  const std::int32_t* at = nullptr;
  std::int64_t group_step = 0, channels_each = 1;
};

/// Words that sum_windows() needs for a group: sums over channels, and of those the sums along rows.
inline std::int64_t sum_words(const form& f) noexcept { return f.window.inputs() + f.window.in[1] * f.window.out[2]; }

/// In scratch, in this order. start, none: what sums start with. sums: of windows, then of pixels.
struct scratch_layout {
  std::size_t start, none, values, pixels, sums, words, task_bytes, bytes;

  scratch_layout(const call&, const form& f) noexcept {
    const std::size_t line = word_bytes(f.channels());
    start = 0;
    none = start + line + 64;  // groups start anywhere, and kernels read 16 channels
    values = none + line + 64;
    pixels = values + 3 * line;
    sums = pixels + round_up(static_cast<std::size_t>(f.pixel_bytes()), 64);
    words = sums;
    if (!f.by_channel) words += word_bytes(f.groups * (f.window.outputs() + sum_words(f)));
    task_bytes = word_bytes(f.rows_per_block * f.columns_per_block * f.channels()) * (f.by_channel ? 2 : 1);
    bytes = words + static_cast<std::size_t>(f.tasks()) * task_bytes;
  }
};

/// Image `batch` of x as pixels, its padding full of the zero point.
inline void lay_out_pixels(const call& c, const form& f, std::int64_t batch, std::uint8_t zero,
                           std::uint8_t* to) noexcept {
  const window_shape& s = f.window;
  const std::int64_t channels = f.groups * f.in_channels, plane = s.in[1] * s.in[2];
  const auto* const x = c.in[0].as<const std::uint8_t>() + batch * channels * plane;
  const auto flip = static_cast<std::uint8_t>(c.in[0].type == dtype::s8 ? 0x80u : 0u);
  const std::int64_t left = std::min(s.pad[2], f.in_w),
                     right = std::clamp(f.in_w - left - s.in[2], std::int64_t{0}, f.in_w);
  const std::int64_t width = f.in_w - left - right;
  std::memset(to + f.in_h * f.row, 0, 64);
  for_runs(c.exec, f.in_h, row_grain(f.row / 4), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t h = begin; h < end; ++h) {
      std::uint8_t* const row = to + h * f.row;
      const std::int64_t from_row = h - s.pad[1];
      if (from_row < 0 || from_row >= s.in[1]) {
        std::memset(row, zero, static_cast<std::size_t>(f.row));
        continue;
      }
      std::memset(row, zero, static_cast<std::size_t>(left * f.pixel));
      std::memset(row + (left + width) * f.pixel, zero, static_cast<std::size_t>(right * f.pixel));
      const std::uint8_t* const from = x + from_row * s.in[2];
      std::uint8_t* const out = row + left * f.pixel;
      const std::int64_t pixel = f.pixel;
      with_avx2([ from, out, channels, plane, width, pixel, flip ]() __attribute__((always_inline)) {
        std::int64_t o = 0;
        for (; o + 16 <= channels; o += 16) {
          std::int64_t w = 0;
          for (; w + 16 <= width; w += 16)
            transpose_bytes16(from + o * plane + w, plane, out + w * pixel + o, pixel, flip);
          for (; w < width; ++w)
            for (std::int64_t i = o; i < o + 16; ++i)
              out[w * pixel + i] = static_cast<std::uint8_t>(from[i * plane + w] ^ flip);
        }
        for (; o < pixel; ++o)
          for (std::int64_t w = 0; w < width; ++w)
            out[w * pixel + o] = o < channels ? static_cast<std::uint8_t>(from[o * plane + w] ^ flip) : std::uint8_t{0};
      });
    }
  });
}

/// windows (groups, outputs): the sum of x - zero over the window of each output. planes  (groups, sum_words()).
inline void sum_windows(const call& c, const form& f, std::int64_t batch, std::int32_t zero, std::int32_t* planes,
                        std::int32_t* windows) noexcept {
  const window_shape& s = f.window;
  const std::int64_t inputs = s.inputs(), outputs = s.outputs(), each = f.in_channels;
  const auto flip = static_cast<std::uint8_t>(c.in[0].type == dtype::s8 ? 0x80u : 0u);
  for_runs(c.exec, f.groups, 1, [&](std::int64_t g, std::int64_t) {
    const auto* const x = c.in[0].as<const std::uint8_t>() + (batch * f.groups + g) * each * inputs;
    std::int32_t* const plane = planes + g * sum_words(f);
    std::fill_n(plane, inputs, -static_cast<std::int32_t>(each) * zero);
    for (std::int64_t p = 0; p < inputs; p += 4096) {  // 16 KiB of sums stay in the first cache
      const std::int64_t n = std::min<std::int64_t>(4096, inputs - p);
      for (std::int64_t i = 0; i < each; ++i)
        with_avx2([ from = x + i * inputs + p, to = plane + p, n, flip ]() __attribute__((always_inline)) {
          for (std::int64_t j = 0; j < n; ++j) to[j] += from[j] ^ flip;
        });
    }
    std::int32_t* const across = plane + inputs;  // (in[1], out[2])
    for (std::int64_t h = 0; h < s.in[1]; ++h)
      for (std::int64_t ow = 0; ow < s.out[2]; ++ow) {
        std::int32_t sum = 0;
        for (std::int64_t kw = 0; kw < s.kernel[2]; ++kw) {
          const std::int64_t w = ow * s.stride[2] + kw * s.dilation[2] - s.pad[2];
          if (w >= 0 && w < s.in[2]) sum += plane[h * s.in[2] + w];
        }
        across[h * s.out[2] + ow] = sum;
      }
    for (std::int64_t oh = 0; oh < s.out[1]; ++oh) {
      std::int32_t* const to = windows + g * outputs + oh * s.out[2];
      std::fill_n(to, s.out[2], 0);
      for (std::int64_t kh = 0; kh < s.kernel[1]; ++kh) {
        const std::int64_t h = oh * s.stride[1] + kh * s.dilation[1] - s.pad[1];
        if (h < 0 || h >= s.in[1]) continue;
        for (std::int64_t ow = 0; ow < s.out[2]; ++ow) to[ow] += across[h * s.out[2] + ow];
      }
    }
  });
}

/// words and ones (count, channels): words -= zeros * (ones - less), modulo 2^32.
inline void take_off_by_channel(std::int32_t* words, const std::int32_t* ones, const std::int32_t* zeros,
                                std::int32_t less, std::int64_t count, std::int64_t channels) noexcept {
  with_avx2([ words, ones, zeros, less, count, channels ]() __attribute__((always_inline)) {
    for (std::int64_t p = 0; p < count; ++p)
      for (std::int64_t o = 0; o < channels; ++o) {
        std::uint32_t v, window;
        std::memcpy(&v, words + p * channels + o, sizeof v);
        std::memcpy(&window, ones + p * channels + o, sizeof window);
        v -= static_cast<std::uint32_t>(zeros[o]) * (window - static_cast<std::uint32_t>(less));
        std::memcpy(words + p * channels + o, &v, sizeof v);
      }
  });
}

/// Words (outputs, channels) on their way to planes of s32 or f32, `plane` bytes apart. It holds copies, so that
/// nothing it writes can be part of it.
struct plane_writer {
  const std::int32_t* words;
  std::int64_t channels;
  plane_values values;
  window_sums sums;
  std::byte* y;
  std::int64_t plane;

  /// Outputs [begin, end), up to 64 of them at a time, so that their words stay in the first cache.
  [[gnu::always_inline]] void write(std::int64_t begin, std::int64_t end) const noexcept {
    for (std::int64_t p0 = begin; p0 < end; p0 += 64) {
      const std::int64_t p1 = p0 + 64 < end ? p0 + 64 : end;
      std::int64_t o = 0;
      for (; o + 4 <= channels; o += 4) {
        const std::int32_t* windows[4] = {};
        for (int i = 0; sums.at != nullptr && i < 4; ++i) windows[i] = windows_of(o + i);
        std::int64_t p = p0;
        for (; p + 4 <= p1; p += 4) four(p, o, windows);
        for (; p < p1; ++p)
          for (std::int64_t i = o; i < o + 4; ++i) one(p, i);
      }
      for (; o < channels; ++o)
        for (std::int64_t p = p0; p < p1; ++p) one(p, o);
    }
  }

private:
  [[gnu::always_inline]] const std::int32_t* windows_of(std::int64_t o) const noexcept {
    return sums.at + o / sums.channels_each * sums.group_step;
  }

  [[gnu::always_inline]] void one(std::int64_t p, std::int64_t o) const noexcept {
    std::uint32_t word;
    std::memcpy(&word, words + p * channels + o, sizeof word);
    if (sums.at != nullptr)
      word -= static_cast<std::uint32_t>(values.zeros[o]) * static_cast<std::uint32_t>(windows_of(o)[p]);
    float real = static_cast<float>(static_cast<std::int32_t>(word)) * values.scale[o];
    if (values.has_bias) real += values.bias[o];
    if (values.is_real) std::memcpy(y + o * plane + p * 4, &real, sizeof real);
    else std::memcpy(y + o * plane + p * 4, &word, sizeof word);
  }

  /// Four outputs of four channels.
  [[gnu::always_inline]] void four(std::int64_t p, std::int64_t o, const std::int32_t* const* windows) const noexcept {
    using weave_impl::words4;
    typedef float floats4 __attribute__((vector_size(16)));
    words4 v[4];
    transpose_words4(words + p * channels + o, channels, v);
    for (int i = 0; i < 4; ++i) {
      std::byte* const to = y + (o + i) * plane + p * 4;
      if (sums.at != nullptr) {
        words4 window;
        std::memcpy(&window, windows[i] + p, sizeof window);
        v[i] -= window * values.zeros[o + i];
      }
      floats4 real = __builtin_convertvector(v[i], floats4) * values.scale[o + i];
      if (values.has_bias) real += values.bias[o + i];
      if (values.is_real) std::memcpy(to, &real, sizeof real);
      else std::memcpy(to, &v[i], sizeof v[i]);
    }
  }
};

/// words (count, channels) to planes of s32 or f32, `plane` bytes apart.
inline void words_to_planes(const plane_writer& writer, std::int64_t count) noexcept {
  with_avx2([ w = writer, count ]() __attribute__((always_inline)) { w.write(0, count); });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd::conv_integer_impl
