// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <string>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/kernels/conv_u8s8/generic.hpp"

/// Exactly `size` bytes at a 64-byte boundary between two guards of 64 bytes.
class aligned_bytes {
public:
  explicit aligned_bytes(std::size_t size) : size_(size), buffer_(size + 192, guard) {}
  std::byte* data() { return buffer_.data() + first(); }
  const std::byte* data() const { return buffer_.data() + first(); }
  std::size_t size() const { return size_; }
  bool guards_intact() const {
    for (std::size_t i = 0; i < buffer_.size(); ++i)
      if ((i < first() || i >= first() + size_) && buffer_[i] != guard) return false;
    return true;
  }

private:
  static constexpr std::byte guard{0x5A};
  std::size_t first() const { return 64 + (64 - reinterpret_cast<std::uintptr_t>(buffer_.data()) % 64) % 64; }
  std::size_t size_;
  std::vector<std::byte> buffer_;
};

/// A convolution with random numbers in it. The input buffer is no larger than what may be read, so that a sanitizer
/// sees every byte too many.
struct conv_case {
  dsmm::kernels::conv_geometry geometry{};
  std::int32_t out_h = 1, out_w = 1;
  std::int32_t zero_point = 0;
  bool relu = false;
  bool depthwise = false;
  bool by_float = false;
  std::ptrdiff_t x_row = 0, x_pixel = 0;
  std::vector<std::byte> x;
  std::vector<std::int8_t> w8;
  std::vector<std::int32_t> bias, multiplier, shift;
  std::vector<float> factor;

  static conv_case random(dsmm::rng& r) {
    const auto pick = [&r](std::uint32_t low, std::uint32_t high) {
      return static_cast<std::int32_t>(low + r.below(high - low + 1));
    };
    conv_case c;
    c.geometry.kernel_h = pick(1, 5);
    c.geometry.kernel_w = pick(1, 5);
    c.geometry.stride_h = pick(1, 3);
    c.geometry.stride_w = pick(1, 3);
    c.geometry.dilation_h = pick(1, 3);
    c.geometry.dilation_w = pick(1, 3);
    c.geometry.in_channels = pick(1, 23);
    c.geometry.out_channels = pick(1, 70);
    c.out_h = pick(1, 7);
    c.out_w = pick(1, 19);
    c.fill(r);
    return c;
  }

  /// New numbers for the geometry as it is.
  void fill(dsmm::rng& r) {
    const auto& g = geometry;
    const auto channels = static_cast<std::size_t>(g.out_channels);
    geometry.in_channels_padded = (g.in_channels + 3) / 4 * 4;
    x_pixel = g.in_channels_padded;
    x_row = x_pixel * (in_w() + 1);
    x.resize(static_cast<std::size_t>((in_h() - 1) * x_row + in_w() * x_pixel));
    for (auto& v : x) v = static_cast<std::byte>(r.below(256));
    w8.resize(channels * static_cast<std::size_t>(g.kernel_h * g.kernel_w * (depthwise ? 1 : g.in_channels)));
    for (auto& v : w8) v = static_cast<std::int8_t>(static_cast<int>(r.below(256)) - 128);
    zero_point = static_cast<std::int32_t>(r.below(256));
    relu = r.below(2) == 0;
    const std::size_t padded = (channels + 15) / 16 * 16;
    bias.assign(padded, 0);
    multiplier.assign(padded, 0);
    shift.assign(padded, 31);
    factor.assign(padded, 0.0f);
    for (std::size_t o = 0; o < channels; ++o) {
      bias[o] = static_cast<std::int32_t>(r.below(200'000)) - 100'000;
      multiplier[o] = static_cast<std::int32_t>((1u << 30) + r.below(1u << 30));
      shift[o] = static_cast<std::int32_t>(r.below(8) == 0 ? 31 + r.below(32) : 38 + r.below(6));
      factor[o] = r.uniform(0.0001f, 0.01f);
    }
  }

  /// The case with multipliers of 24 bits and shifts such that kernels may scale in f32.
  conv_case in_float(bool unclamped) const {
    conv_case c = *this;
    const auto channels = static_cast<std::size_t>(geometry.out_channels), depth = w8.size() / channels;
    for (std::size_t o = 0; o < channels; ++o) {
      std::int64_t low = bias[o], high = bias[o];
      for (std::size_t k = 0; k < depth; ++k) (w8[o * depth + k] < 0 ? low : high) += 255 * w8[o * depth + k];
      c.multiplier[o] &= ~127;
      if (c.shift[o] < 33) c.shift[o] = 33;
      if (low < -(1 << 24) || high > 1 << 24) return c;
      while (!dsmm::kernels::fits_float(low, high, {c.multiplier[o], c.shift[o]})) ++c.shift[o];
    }
    c.by_float = true;
    if (unclamped) c.relu = false;
    return c;
  }

  std::int32_t in_h() const {
    return (out_h - 1) * geometry.stride_h + (geometry.kernel_h - 1) * geometry.dilation_h + 1;
  }
  std::int32_t in_w() const {
    return (out_w - 1) * geometry.stride_w + (geometry.kernel_w - 1) * geometry.dilation_w + 1;
  }
  std::int32_t y_pixel() const { return (geometry.out_channels + 3) / 4 * 4; }
  dsmm::extents y_shape() const { return {out_h, out_w, geometry.out_channels}; }
  dsmm::tensor_view<const std::uint8_t> x_view() const {
    return {reinterpret_cast<const std::uint8_t*>(x.data()), {in_h(), in_w(), geometry.in_channels}, x_row, x_pixel};
  }
  dsmm::kernels::conv_epilogue epilogue() const {
    dsmm::kernels::conv_epilogue e{bias.data(), multiplier.data(), shift.data(), factor.data(), zero_point};
    e.low = relu ? zero_point : 0;
    e.relu = relu;
    e.by_float = by_float;
    e.pad_channels = y_pixel() - geometry.out_channels;
    return e;
  }
  std::string text() const {
    std::ostringstream s;
    s << geometry.kernel_h << 'x' << geometry.kernel_w << " stride " << geometry.stride_h << ',' << geometry.stride_w
      << " dilation " << geometry.dilation_h << ',' << geometry.dilation_w << ' ' << geometry.in_channels << "->"
      << geometry.out_channels << " @ " << out_h << 'x' << out_w;
    return s.str();
  }
};
