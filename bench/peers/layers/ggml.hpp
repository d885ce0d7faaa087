// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ggml-alloc.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml.h>

#include "contender.hpp"

/// llama.cpp's product: Q4_0 weights (blocks of 32), f32 rows in and out, which it rounds to Q8_0 itself. The weights
/// lie in the buffer that llama.cpp would choose: repacked for the instruction set where it has such a form.
class ggml_layer {
public:
  explicit ggml_layer(const problem& p) : p_(p), backend_(ggml_backend_cpu_init()) {
    ggml_backend_cpu_set_n_threads(backend_, p.threads);
    weights_context_ = ggml_init({ggml_tensor_overhead() * 4, nullptr, true});
    context_ = ggml_init({ggml_tensor_overhead() * 8 + ggml_graph_overhead(), nullptr, true});
    ggml_tensor* const w = ggml_new_tensor_2d(weights_context_, GGML_TYPE_Q4_0, p.l.in, p.l.out);
    weights_buffer_ = ggml_backend_alloc_ctx_tensors_from_buft(weights_context_, weights_type());
    x_ = ggml_new_tensor_2d(context_, GGML_TYPE_F32, p.l.in, p.l.height);
    y_ = ggml_mul_mat(context_, w, x_);
    graph_ = ggml_new_graph(context_);
    ggml_build_forward_expand(graph_, y_);
    buffer_ = ggml_backend_alloc_ctx_tensors(context_, backend_);
    fill(w);
  }
  ~ggml_layer() {
    ggml_backend_buffer_free(buffer_), ggml_backend_buffer_free(weights_buffer_);
    ggml_free(context_), ggml_free(weights_context_), ggml_backend_free(backend_);
  }
  ggml_layer(const ggml_layer&) = delete;

  void run() { ggml_backend_graph_compute(backend_, graph_); }

  /// Root of the mean squared error over that of the exact products with the weights as rounded to Q4_0.
  double error() const {
    std::vector<float> y(std::size_t(p_.l.out) * std::size_t(p_.l.height));
    ggml_backend_tensor_get(y_, y.data(), 0, y.size() * sizeof(float));
    double noise = 0, power = 0;
    for (std::size_t o = 0; o < std::size_t(p_.l.out); o += 37) {
      double right = 0;
      for (std::size_t i = 0; i < std::size_t(p_.l.in); ++i)
        right += double(p_.x[i]) * double(rounded_[o * std::size_t(p_.l.in) + i]);
      noise += (double(y[o]) - right) * (double(y[o]) - right), power += right * right;
    }
    return std::sqrt(noise / power);
  }

private:
  ggml_backend_buffer_type_t weights_type() const {
    ggml_backend_dev_t device = ggml_backend_get_device(backend_);
    const auto more = reinterpret_cast<ggml_backend_dev_get_extra_bufts_t>(
        ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_dev_get_extra_bufts"));
    ggml_backend_buffer_type_t* const types = more == nullptr ? nullptr : more(device);
    return types != nullptr && *types != nullptr ? *types : ggml_backend_get_default_buffer_type(backend_);
  }
  void fill(ggml_tensor* w) {
    const std::vector<float> x(p_.x.begin(), p_.x.end()), weights(p_.w.begin(), p_.w.end());
    std::vector<char> packed(ggml_row_size(GGML_TYPE_Q4_0, p_.l.in) * std::size_t(p_.l.out));
    ggml_quantize_chunk(GGML_TYPE_Q4_0, weights.data(), packed.data(), 0, p_.l.out, p_.l.in, nullptr);
    rounded_.resize(weights.size());
    ggml_get_type_traits(GGML_TYPE_Q4_0)->to_float(packed.data(), rounded_.data(), std::int64_t(rounded_.size()));
    ggml_backend_tensor_set(w, packed.data(), 0, packed.size());
    ggml_backend_tensor_set(x_, x.data(), 0, x.size() * sizeof(float));
  }

  problem p_;
  ggml_backend_t backend_;
  ggml_context *weights_context_, *context_;
  ggml_backend_buffer_t weights_buffer_, buffer_;
  ggml_tensor *x_, *y_;
  ggml_cgraph* graph_;
  std::vector<float> rounded_;
};
