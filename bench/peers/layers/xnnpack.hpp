// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthreadpool.h>
#include <xnnpack.h>

#include "contender.hpp"

/// XNNPACK (Debian's libxnnpack-dev), QS8 with s8 inputs, or f32.
class xnnpack_layer {
public:
  xnnpack_layer(const problem& p, bool integers)
      : pool_(p.threads > 1 ? pthreadpool_create(std::size_t(p.threads)) : nullptr) {
    xnn_initialize(nullptr);
    const auto outputs = std::size_t(p.l.output().count());
    if (integers) make_integers(p, outputs);
    else make_floats(p, outputs);
  }
  ~xnnpack_layer() {
    if (op_ != nullptr) xnn_delete_operator(op_);
    if (pool_ != nullptr) pthreadpool_destroy(pool_);
  }
  xnnpack_layer(const xnnpack_layer&) = delete;

  bool made() const noexcept { return op_ != nullptr; }
  void run() { xnn_run_operator(op_, pool_); }
  std::vector<std::uint8_t> output() const {
    std::vector<std::uint8_t> levels;
    for (const std::int8_t v : y8_) levels.push_back(std::uint8_t(v + 128));
    return levels;
  }
  const float* floats() const noexcept { return y_.data(); }

private:
  template <class F>
  static void shape(const problem& p, F&& f) {
    const auto pad = std::uint32_t(p.pad()), k = std::uint32_t(p.l.kernel), s = std::uint32_t(p.l.stride);
    const auto bottom = std::uint32_t(p.pad_after(p.l.height, p.l.output().h));
    const auto right = std::uint32_t(p.pad_after(p.l.width, p.l.output().w));
    f(pad, right, bottom, pad, k, k, s, s, 1, 1, std::uint32_t(p.groups()), std::size_t(p.depth()),
      std::size_t(p.l.out / p.groups()), std::size_t(p.l.in), std::size_t(p.l.out));
  }
  void make_integers(const problem& p, std::size_t outputs) {
    for (const std::uint8_t v : p.x) x8_.push_back(std::int8_t(v - 128));
    x8_.resize(x8_.size() + XNN_EXTRA_BYTES);
    y8_.resize(outputs);
    shape(p, [&](auto... a) {
      xnn_create_convolution2d_nhwc_qs8(a..., -128, 1.0f, p.scale, p.w.data(), nullptr, std::int8_t(p.zero - 128), 1.0f,
                                        -128, 127, 0, &op_);
    });
    if (made())
      xnn_setup_convolution2d_nhwc_qs8(op_, 1, std::size_t(p.l.height), std::size_t(p.l.width), x8_.data(), y8_.data(),
                                       pool_);
  }
  void make_floats(const problem& p, std::size_t outputs) {
    x_.assign(p.x.begin(), p.x.end());
    x_.resize(x_.size() + XNN_EXTRA_BYTES);
    const std::vector<float> w(p.w.begin(), p.w.end());
    y_.resize(outputs);
    shape(p, [&](auto... a) { xnn_create_convolution2d_nhwc_f32(a..., w.data(), nullptr, -1e30f, 1e30f, 0, &op_); });
    if (made())
      xnn_setup_convolution2d_nhwc_f32(op_, 1, std::size_t(p.l.height), std::size_t(p.l.width), x_.data(), y_.data(),
                                       pool_);
  }

  pthreadpool_t pool_;
  xnn_operator_t op_ = nullptr;
  std::vector<std::int8_t> x8_, y8_;
  std::vector<float> x_, y_;
};
