// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/conv.hpp"
#include "dsmm/kernels/nd/conv_integer/packed.hpp"
#include "dsmm/kernels/nd/conv_integer/planes.hpp"
#include "dsmm/kernels/nd/integer.hpp"
#include "dsmm/kernels/nd/view.hpp"

/// Convolutions of 8-bit integers with zero points. Constant weights over one or two axes are packed for the u8 x s8
/// kernels: the input is laid out by pixels with its padding, tiles of sums go back to planes.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace conv_integer_impl {

/// The sums of outputs [first, first + count) of a row, or of whole rows, to the planes of y. `words` is (outputs,
/// channels); what zero points of weights ask for is taken off, by the sums of the windows.
inline void finish_block(const call& c, const form& f, const plane_values& values, const std::int32_t* words,
                         const window_sums& sums, std::int64_t batch, std::int64_t first, std::int64_t count) noexcept {
  const std::int64_t channels = f.channels(), outputs = f.window.outputs();
  std::byte* const y = c.out[0].data + (batch * channels * outputs + first) * 4;
  words_to_planes({words, channels, values, sums, y, outputs * 4}, count);
  const auto act = c.choice<unary_fn>(2);
  if (act == unary_fn::identity) return;
  for (std::int64_t o = 0; o < channels; ++o) {
    float* const row = reinterpret_cast<float*>(y + o * outputs * 4);
    unary_real(act, c.attribute_f32(3), c.attribute_f32(4), row, row, static_cast<std::size_t>(count));
  }
}

inline void on_packed(const call& c) noexcept {
  const auto& packed = *std::launder(reinterpret_cast<const packed_filter*>(c.packed));
  const form f(c);
  const scratch_layout memory(c, f);
  const std::int64_t channels = f.channels();
  const std::int32_t zero = moved_input_zero(c.in[0], c.in[2]);
  auto* const start = reinterpret_cast<std::int32_t*>(c.scratch + memory.start);
  auto* const none = reinterpret_cast<std::int32_t*>(c.scratch + memory.none);
  const plane_values values(c, c.scratch + memory.values, channels);
  for (std::int64_t o = 0; o < channels; ++o) start[o] = wrapping_product(-zero, packed.sums[o]);
  std::fill(start + channels, reinterpret_cast<std::int32_t*>(c.scratch + memory.none), 0);
  std::fill(none, reinterpret_cast<std::int32_t*>(c.scratch + memory.values), 0);
  auto* const pixels = reinterpret_cast<std::uint8_t*>(c.scratch + memory.pixels);
  auto* const sums = reinterpret_cast<std::int32_t*>(c.scratch + memory.sums);

  for (std::int64_t batch = 0; batch < f.batch; ++batch) {
    lay_out_pixels(c, f, batch, static_cast<std::uint8_t>(zero), pixels);
    if (values.corrects && !f.by_channel) sum_windows(c, f, batch, zero, sums + f.groups * f.window.outputs(), sums);
    for_runs(c.exec, f.tasks(), 1, [&](std::int64_t task, std::int64_t) {
      auto* const words = reinterpret_cast<std::int32_t*>(c.scratch + memory.words +
                                                          static_cast<std::size_t>(task) * memory.task_bytes);
      for (std::int64_t b = task; b < f.blocks(); b += f.tasks()) {
        const block at = f.block_at(b);
        run_block(packed, f, start, pixels, at, words);
        window_sums correction;
        if (values.corrects && f.by_channel) {
          std::int32_t* const ones = words + at.count() * channels;
          run_ones(packed, f, none, pixels, at, ones);
          take_off_by_channel(words, ones, values.zeros, static_cast<std::int32_t>(f.depth()) * zero, at.count(),
                              channels);
        } else if (values.corrects) {
          correction = {sums + at.first(f), f.window.outputs(), f.out_channels};
        }
        finish_block(c, f, values, words, correction, batch, at.first(f), at.count());
      }
    });
  }
}

/// Output by output.
inline void plain(const call& c) noexcept {
  const conv_impl::conv_shape s(c);
  const window_shape& g = s.window;
  const std::int64_t channels = s.groups * s.out_channels, outputs = g.outputs(), taps = g.taps();
  const std::int32_t zero = zero_at(c.in[2], 0);
  const auto act = c.choice<unary_fn>(2);
  for_runs(c.exec, s.batch * channels, row_grain(outputs * s.depth()), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t p = begin; p < end; ++p) {
      const std::int64_t channel = p % channels,
                         first = (p / channels * s.groups + channel / s.out_channels) * s.in_channels;
      const std::int32_t w_zero = zero_at(c.in[3], channel);
      for (std::int64_t o = 0; o < outputs; ++o) {
        const std::int64_t ow = o % g.out[2], oh = o / g.out[2] % g.out[1], od = o / (g.out[2] * g.out[1]);
        std::int32_t sum = 0;
        for (std::int64_t k = 0; k < taps; ++k) {
          const std::int64_t w = ow * g.stride[2] + k % g.kernel[2] * g.dilation[2] - g.pad[2];
          const std::int64_t h = oh * g.stride[1] + k / g.kernel[2] % g.kernel[1] * g.dilation[1] - g.pad[1];
          const std::int64_t d = od * g.stride[0] + k / (g.kernel[2] * g.kernel[1]) * g.dilation[0] - g.pad[0];
          if (w < 0 || h < 0 || d < 0 || w >= g.in[2] || h >= g.in[1] || d >= g.in[0]) continue;
          for (std::int64_t i = 0; i < s.in_channels; ++i)
            sum += (load(c.in[0], ((first + i) * g.in[0] + d) * g.in[1] * g.in[2] + h * g.in[2] + w) - zero) *
                   (load(c.in[1], (channel * s.in_channels + i) * taps + k) - w_zero);
        }
        std::byte* const y = c.out[0].data + (p * outputs + o) * 4;
        if (!c.in[4]) {
          std::memcpy(y, &sum, sizeof sum);
          continue;
        }
        float real = static_cast<float>(sum) * value_at(c.in[4], channel);
        if (c.in[5]) real += value_at(c.in[5], channel);
        std::memcpy(y, &real, sizeof real);
      }
      if (act == unary_fn::identity) continue;
      float* const row = c.out[0].as<float>() + p * outputs;
      unary_real(act, c.attribute_f32(3), c.attribute_f32(4), row, row, static_cast<std::size_t>(outputs));
    }
  });
}

}  // namespace conv_integer_impl

inline std::size_t nd_conv_integer_scratch(const call& c) noexcept {
  if (c.packed == nullptr) return 0;
  return conv_integer_impl::scratch_layout(c, conv_integer_impl::form(c)).bytes;
}

inline std::size_t nd_conv_integer_packed_bytes(const call& c) noexcept {
  if (c.attribute(1) > 2 || c.in[0].count() == 0) return 0;
  const conv_integer_impl::form f(c);
  return f.fits() ? conv_integer_impl::packed_bytes(f, c.level) : 0;
}

/// Bytes of scratch that nd_conv_integer_pack() needs.
inline std::size_t nd_conv_integer_pack_scratch(const call& c) noexcept {
  return static_cast<std::size_t>(c.in[1].count());
}

inline void nd_conv_integer_pack(const call& c, std::byte* memory) noexcept {
  conv_integer_impl::pack(c, conv_integer_impl::form(c), memory);
}

/// Attributes as nd_conv; an activation only where there is a scale. Inputs: x, w, zero points of x (one) and w (one,
/// or one per output channel), scale and bias (likewise). Padding is the zero point. The exact s32, or with a scale
/// f32: act(float(s32) * scale + bias).
inline void nd_conv_integer(const call& c) noexcept {
  if (c.packed != nullptr) return conv_integer_impl::on_packed(c);
  conv_integer_impl::plain(c);
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
