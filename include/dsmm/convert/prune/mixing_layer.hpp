// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI::convert::prune {

/// An op that forms sums over channels: a convolution or a product with a constant matrix, f32.
/// y[o] = sum_k w[o][k] x[k] + bias[o] at each output position, before residual and activation; group g of its
/// `groups` equal parts reads columns of its own.
struct mixing_layer {
  std::size_t op = 0;
  std::string name;
  std::uint32_t x = no_value, y = no_value, residual = no_value;
  bool conv = true;
  std::int64_t groups = 1, out = 0;  ///< channels written, over all groups
  std::int64_t in = 0, taps = 1;     ///< channels read by one group, and kernel elements of each
  std::int64_t positions = 0;        ///< outputs per channel: batch and space, or rows

  std::int64_t depth() const noexcept { return in * taps; }  ///< columns of one group
  std::int64_t out_per_group() const noexcept { return out / groups; }
  std::int64_t multiply_adds() const noexcept { return out * depth() * positions; }
  bool depthwise() const noexcept { return groups > 1 && in == 1; }
};

/// The layer that an op is, or nothing if it is another op or a form that is left alone: weights or bias that are not
/// f32 constants, a scaled product, a transposed left side.
inline std::optional<mixing_layer> mixing_layer_of(const lowered_graph& g, std::size_t index) {
  const lowered_op& op = g.ops[index];
  const auto input = [&](std::size_t i) { return i < op.inputs.size() ? op.inputs[i] : no_value; };
  if (op.kind != op_kind::nd_conv && op.kind != op_kind::nd_matmul) return std::nullopt;
  if (!is_f32_constant(g, input(1)) || (input(2) != no_value && !is_f32_constant(g, input(2)))) return std::nullopt;
  mixing_layer l;
  l.op = index;
  l.name = op.name;
  l.x = op.inputs[0];
  l.y = op.outputs[0];
  const lowered_value &x = g.values[l.x], &w = g.values[op.inputs[1]], &y = g.values[l.y];
  if (x.is_constant || x.type != dtype::f32) return std::nullopt;
  std::int64_t bias = 0;
  if (op.kind == op_kind::nd_conv) {
    l.groups = op.attributes[0];
    l.out = w.dims[0];
    l.in = w.dims[1];
    for (std::size_t i = 2; i < w.dims.size(); ++i) l.taps *= w.dims[i];
    l.residual = input(3);
    if (input(2) != no_value) bias = g.values[op.inputs[2]].dims[0];
  } else {
    l.conv = false;
    if (w.dims.size() != 2 || x.dims.size() < 2 || op.attributes[0] != 0) return std::nullopt;
    if (std::bit_cast<float>(op.attributes[2]) != 1.0f) return std::nullopt;
    const bool transposed = op.attributes[1] != 0;
    l.out = w.dims[transposed ? 0 : 1];
    l.in = w.dims[transposed ? 1 : 0];
    if (input(2) != no_value) {
      const dim_list& c = g.values[op.inputs[2]].dims;
      if (std::bit_cast<float>(op.attributes[3]) != 1.0f) return std::nullopt;
      bias = c.empty() ? 1 : c.back();
      if (count_of(c) != bias) return std::nullopt;
    }
  }
  if (bias != 0 && bias != l.out) return std::nullopt;
  l.positions = count_of(y.dims) / l.out;
  return l;
}

inline std::vector<mixing_layer> mixing_layers(const lowered_graph& g) {
  std::vector<mixing_layer> out;
  for (std::size_t i = 0; i < g.ops.size(); ++i)
    if (auto l = mixing_layer_of(g, i)) out.push_back(std::move(*l));
  return out;
}

/// Multiply-adds of one run of all mixing layers; what other ops do is not counted.
inline std::int64_t multiply_adds(const lowered_graph& g) {
  std::int64_t n = 0;
  for (const mixing_layer& l : mixing_layers(g)) n += l.multiply_adds();
  return n;
}

/// Weights as (out, depth), whatever the op's own order.
inline std::vector<float> weights_of(const lowered_graph& g, const mixing_layer& l) {
  const lowered_op& op = g.ops[l.op];
  const auto w = floats_of(g.values[op.inputs[1]]);
  std::vector<float> out(w.begin(), w.end());
  if (l.conv || op.attributes[1] != 0) return out;
  for (std::int64_t o = 0; o < l.out; ++o)
    for (std::int64_t k = 0; k < l.in; ++k)
      out[static_cast<std::size_t>(o * l.in + k)] = w[static_cast<std::size_t>(k * l.out + o)];
  return out;
}

/// One per channel; zeros if the op has none.
inline std::vector<float> bias_of(const lowered_graph& g, const mixing_layer& l) {
  const lowered_op& op = g.ops[l.op];
  if (op.inputs.size() < 3 || op.inputs[2] == no_value)
    return std::vector<float>(static_cast<std::size_t>(l.out), 0.0f);
  const auto b = floats_of(g.values[op.inputs[2]]);
  return {b.begin(), b.end()};
}

/// Gives the layer other weights (out, depth) and biases.
inline void set_weights(lowered_graph& g, const mixing_layer& l, std::span<const float> w,
                        std::span<const float> bias) {
  lowered_op& op = g.ops[l.op];
  const dim_list dims = g.values[op.inputs[1]].dims;
  std::vector<float> stored(w.begin(), w.end());
  if (!l.conv && op.attributes[1] == 0)
    for (std::int64_t o = 0; o < l.out; ++o)
      for (std::int64_t k = 0; k < l.in; ++k)
        stored[static_cast<std::size_t>(k * l.out + o)] = w[static_cast<std::size_t>(o * l.in + k)];
  op.inputs[1] = add_constant(g, dtype::f32, dims, std::as_bytes(std::span(stored)));
  const bool has_bias = op.inputs.size() > 2 && op.inputs[2] != no_value;
  const dim_list bias_dims = has_bias ? g.values[op.inputs[2]].dims : dim_list{l.out};
  if (op.inputs.size() < 3) op.inputs.push_back(no_value);
  op.inputs[2] = add_constant(g, dtype::f32, bias_dims, std::as_bytes(bias));
  if (!l.conv && !has_bias) op.attributes[3] = std::bit_cast<std::int32_t>(1.0f);
}

/// Reads what a layer sees and writes at one of its positions.
class position_reader {
public:
  position_reader(const lowered_graph& g, const mixing_layer& l) : layer_(l) {
    const lowered_op& op = g.ops[l.op];
    if (!l.conv) return;
    const dim_list &x = g.values[l.x].dims, &w = g.values[op.inputs[1]].dims, &y = g.values[l.y].dims;
    for (std::size_t i = 2; i < x.size(); ++i) {
      const std::size_t at = 5 - x.size() + i - 2, a = i - 2;
      axes_[at] = {x[i], y[i], w[i], op.attributes[5 + a], op.attributes[8 + a], op.attributes[11 + a]};
    }
  }

  /// Columns of group `group` at `position`; zeros where the kernel leaves the input.
  void columns(std::span<const float> x, std::int64_t position, std::int64_t group, std::span<float> to) const {
    const mixing_layer& l = layer_;
    if (!l.conv) {
      const auto from = x.subspan(static_cast<std::size_t>(position * l.in), static_cast<std::size_t>(l.in));
      std::copy(from.begin(), from.end(), to.begin());
      return;
    }
    const auto [d, h, w] = axes_;
    const std::int64_t plane = d.in * h.in * w.in;
    const std::int64_t ow = position % w.out, oh = position / w.out % h.out, od = position / (w.out * h.out) % d.out;
    const std::int64_t batch = position / (w.out * h.out * d.out);
    const float* from = x.data() + (batch * l.groups + group) * l.in * plane;
    std::size_t k = 0;
    for (std::int64_t c = 0; c < l.in; ++c, from += plane)
      for (std::int64_t kd = 0; kd < d.kernel; ++kd)
        for (std::int64_t kh = 0; kh < h.kernel; ++kh)
          for (std::int64_t kw = 0; kw < w.kernel; ++kw) {
            const std::int64_t id = d.at(od, kd), ih = h.at(oh, kh), iw = w.at(ow, kw);
            const bool inside = id >= 0 && id < d.in && ih >= 0 && ih < h.in && iw >= 0 && iw < w.in;
            to[k++] = inside ? from[(id * h.in + ih) * w.in + iw] : 0.0f;
          }
  }

  /// Where channel `o` of `position` lies in y, and in the residual.
  std::size_t output_index(std::int64_t position, std::int64_t o) const noexcept {
    if (!layer_.conv) return static_cast<std::size_t>(position * layer_.out + o);
    const std::int64_t plane = axes_[0].out * axes_[1].out * axes_[2].out;
    return static_cast<std::size_t>((position / plane * layer_.out + o) * plane + position % plane);
  }

private:
  struct axis {
    std::int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;
    std::int64_t at(std::int64_t o, std::int64_t k) const noexcept { return o * stride + k * dilation - pad; }
  };
  mixing_layer layer_;
  std::array<axis, 3> axes_{};
};

}  // namespace dsmm::inline DSMM_ABI::convert::prune
