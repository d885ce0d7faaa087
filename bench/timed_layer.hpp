// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "bench/layers.hpp"
#include "bench/stopwatch.hpp"
#include "dsmm/core/rng.hpp"
#include "dsmm/kernels/conv_u8s4.hpp"
#include "dsmm/kernels/conv_u8s8.hpp"
#include "dsmm/kernels/dwconv_u8s8.hpp"

/// How the weights of a timed layer lie in memory, and how many of their blocks of 4 inputs x 32 outputs are not zero.
struct weight_form {
  bool nibbles = false;
  std::int32_t group = 0;
  std::uint32_t kept_of_8 = 8;
  bool by_float = true;  ///< whether the epilogue may compute in f32, as it may for most layers of real networks
};

/// A layer with random numbers, packed for one variant.
class timed_layer {
public:
  timed_layer(const layer& l, const dsmm::kernels::conv_kernel& kernel, weight_form form = {}) : layer_(l) {
    using namespace dsmm;
    using namespace dsmm::kernels;
    // Few channels are stored as they are: the taps of a row are then one run, as the conv2d op does it.
    const bool merged = l.in % 4 != 0 && !l.depthwise;
    const std::int32_t run = merged ? l.in * l.kernel : l.in, pad = l.kernel / 2;
    const conv_geometry g{l.kernel, merged ? 1 : l.kernel, l.stride, l.stride, 1, 1, run, (run + 3) / 4 * 4, l.out};
    const std::ptrdiff_t x_row = std::ptrdiff_t{l.width + 2 * pad} * l.in;
    rng random(1);
    const auto x_bytes = static_cast<std::size_t>(x_row * (l.height + 2 * pad) + 3);
    x_.resize(x_bytes + 64);
    auto* const x = reinterpret_cast<std::uint8_t*>(aligned(x_));
    for (std::size_t i = 0; i < x_bytes; ++i) x[i] = static_cast<std::uint8_t>(random.below(256));
    if (pad != 0) fill_padding(x, x_row, pad);
    fill_weights(random, form);
    y_.resize(static_cast<std::size_t>(l.output().count()) + 64);
    const std::size_t channels = packed_channels(g);
    bias_.assign(channels, 0), multiplier_.assign(channels, 1 << 30), shift_.assign(channels, 43);
    epilogue_ = {bias_.data(), multiplier_.data(), shift_.data(), nullptr, y_zero};
    epilogue_.by_float = form.by_float;
    in_ = {x, {l.height, l.width, l.in}, x_row, l.in};
    out_ = dense_view(reinterpret_cast<std::uint8_t*>(aligned(y_)), l.output());
    if (l.depthwise) {
      memory_.resize(dw_pack_bytes(g, kernel.required) + 64);
      packed_ = dw_pack(g, kernel.required, w8_.data(), x_row, l.in, aligned(memory_));
    } else {
      memory_.resize(conv_impl::pack_bytes(g, form.group, kernel) + 64);
      packed_ = conv_impl::pack(g, kernel, {w8_.data(), scales_.data(), form.group}, x_row, l.in, aligned(memory_));
      packed_.zero_rows = pad;
      packed_.used_rows = l.height;
    }
  }
  timed_layer(const timed_layer&) = delete;

  void run(std::int32_t begin, std::int32_t end) noexcept {
    packed_.kernel->rows_u8(packed_, epilogue_, in_, out_, begin, end);
  }
  /// The same for some of the panels of weights.
  void run(std::int32_t begin, std::int32_t end, std::int32_t first_panel, std::int32_t last_panel) noexcept {
    dsmm::kernels::conv_packed part = packed_;
    part.panels += first_panel;
    part.panel_count = last_panel - first_panel;
    part.kernel->rows_u8(part, epilogue_, in_, out_, begin, end);
  }
  std::int32_t rows() const noexcept { return out_.shape.h; }
  std::int32_t panels() const noexcept { return packed_.panel_count; }
  /// Seconds of one call.
  double time() {
    return best_time([&] { run(0, rows()); });
  }

  /// (H, W, C) as given, without its padding, and as computed; weights (out, kernel, kernel, in) as s8.
  dsmm::tensor_view<const std::uint8_t> input() const noexcept {
    const std::ptrdiff_t pad = layer_.kernel / 2;
    dsmm::tensor_view<const std::uint8_t> inside = in_;
    inside.data += pad * (in_.row + in_.pixel);
    return inside;
  }
  dsmm::tensor_view<const std::uint8_t> output() const noexcept {
    return {out_.data, out_.shape, out_.row, out_.pixel};
  }
  const std::vector<std::int8_t>& weights() const noexcept { return w8_; }
  /// y = round(y_scale * sum) + y_zero, clamped to u8.
  static constexpr float y_scale = 1.0f / 8192.0f;
  static constexpr std::int32_t y_zero = 128;

private:
  /// Zero point 0, as behind a ReLU, around a picture in rows of x_row bytes.
  void fill_padding(std::uint8_t* x, std::ptrdiff_t x_row, std::int32_t pad) const {
    const std::ptrdiff_t side = std::ptrdiff_t{pad} * layer_.in;
    std::fill_n(x, x_row * pad, std::uint8_t{0});
    for (std::uint8_t* row = x + x_row * pad; row < x + x_row * (layer_.height + pad); row += x_row) {
      std::fill_n(row, side, std::uint8_t{0});
      std::fill_n(row + x_row - side, side, std::uint8_t{0});
    }
    std::fill_n(x + x_row * (layer_.height + pad), x_row * pad, std::uint8_t{0});
  }

  void fill_weights(dsmm::rng& random, const weight_form& form) {
    const layer& l = layer_;
    const std::int32_t depth = l.kernel * l.kernel * (l.depthwise ? 1 : l.in);
    const std::int32_t groups = form.group == 0 ? 0 : (depth + form.group - 1) / form.group;
    scales_.resize(static_cast<std::size_t>(l.out * groups));
    for (auto& s : scales_) s = static_cast<std::uint8_t>(1 + random.below(16));
    w8_.resize(static_cast<std::size_t>(l.out * depth));
    std::vector<bool> kept(static_cast<std::size_t>((l.out / 32 + 1) * (depth / 4 + 1)));
    for (std::size_t i = 0; i < kept.size(); ++i) kept[i] = random.below(8) < form.kept_of_8;
    for (std::int32_t o = 0; o < l.out; ++o)
      for (std::int32_t k = 0; k < depth; ++k) {
        const int nibble = static_cast<int>(random.below(15)) - 7;
        const int scale = groups == 0 ? 16 : scales_[static_cast<std::size_t>(o * groups + k / form.group)];
        w8_[static_cast<std::size_t>(o * depth + k)] = static_cast<std::int8_t>(
            kept[static_cast<std::size_t>(o / 32 * (depth / 4 + 1) + k / 4)] ? nibble * scale : 0);
      }
  }

  /// As in an arena: at a multiple of 64.
  static std::byte* aligned(std::vector<std::byte>& buffer) {
    void* at = buffer.data();
    std::size_t space = buffer.size();
    return static_cast<std::byte*>(std::align(64, 1, at, space));
  }

  layer layer_;
  std::vector<std::uint8_t> scales_;
  std::vector<std::int8_t> w8_;
  std::vector<std::int32_t> bias_, multiplier_, shift_;
  std::vector<std::byte> x_, y_, memory_;
  dsmm::kernels::conv_epilogue epilogue_{};
  dsmm::tensor_view<const std::uint8_t> in_;
  dsmm::tensor_view<std::uint8_t> out_;
  dsmm::kernels::conv_packed packed_{};
};
