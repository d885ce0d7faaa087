// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/read_graph.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/layout.hpp"
#include "dsmm/convert/quantize/unfuse.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// A convolution or fully connected layer in the integer tier's terms: weights (O, KH, KW, I / groups).
struct weight_layer {
  std::string name;
  op_kind kind = op_kind::conv2d;  ///< conv2d, dwconv2d or linear
  std::uint32_t x = no_value, y = no_value;
  layout from, to;                          ///< dense (H, W, C) that it reads and writes
  std::array<std::int64_t, 3> x_strides{};  ///< of h, w, c in the plain tensor x
  std::int32_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, dilation_h = 1, dilation_w = 1;
  std::int32_t top = 0, left = 0, bottom = 0, right = 0, groups = 1;
  bool relu = false;
  float clip_at = 0;         ///< upper end of a clip; 0: none
  std::vector<float> w{};    ///< (channels, depth), depth in the order kernel row, kernel column, input channel
  std::vector<float> bias{};  ///< one per channel

  std::size_t channels() const noexcept { return bias.size(); }
  std::size_t depth() const noexcept { return w.size() / bias.size(); }
};

namespace quantize_impl {

inline void read_activation(weight_layer& l, std::int32_t fn, std::int32_t beta) {
  l.relu = fn != 0;
  if (fn == static_cast<std::int32_t>(unary_fn::clip)) l.clip_at = real_of(beta);
}

}  // namespace quantize_impl

/// nd_conv of 1 or 2 spatial dimensions with constant weights, batch 1:
/// group spatial act alpha beta strides[3] dilations[3] pads_begin[3] pads_end[3].
inline std::optional<weight_layer> conv_layer(const lowered_graph& g, const lowered_op& op) {
  using namespace quantize_impl;
  const auto& a = op.attributes;
  const bool has_bias = op.inputs.size() > 2 && op.inputs[2] != no_value;
  if (!is_f32_constant(g, op.inputs[1]) || (has_bias && !is_f32_constant(g, op.inputs[2])) || a[1] > 2)
    return std::nullopt;
  const lowered_value &x = g.values[op.inputs[0]], &w = g.values[op.inputs[1]];
  const auto from = channels_first(x.dims), to = channels_first(g.values[op.outputs[0]].dims);
  if (!from || !to || x.is_constant) return std::nullopt;
  weight_layer l;
  l.name = op.name;
  l.x = op.inputs[0], l.y = op.outputs[0];
  l.from = *from, l.to = *to;
  const auto strides = plain_strides(l.from, x.dims);
  if (!strides) return std::nullopt;
  l.x_strides = *strides;
  const bool flat = a[1] == 1;
  l.groups = a[0];
  l.kernel_h = static_cast<std::int32_t>(w.dims[2]);
  l.kernel_w = flat ? 1 : static_cast<std::int32_t>(w.dims[3]);
  l.stride_h = a[5], l.dilation_h = a[8], l.top = a[11], l.bottom = a[14];
  if (!flat) l.stride_w = a[6], l.dilation_w = a[9], l.left = a[12], l.right = a[15];
  const auto reach = [](std::int32_t k, std::int32_t d) { return (k - 1) * d + 1; };
  if (l.top >= reach(l.kernel_h, l.dilation_h) || l.bottom >= reach(l.kernel_h, l.dilation_h) ||
      l.left >= reach(l.kernel_w, l.dilation_w) || l.right >= reach(l.kernel_w, l.dilation_w))
    return std::nullopt;
  read_activation(l, a[2], a[4]);
  const auto out = static_cast<std::size_t>(w.dims[0]), in = static_cast<std::size_t>(w.dims[1]);
  const std::size_t area = static_cast<std::size_t>(l.kernel_h) * static_cast<std::size_t>(l.kernel_w);
  l.bias.assign(out, 0.0f);
  if (has_bias) {
    const auto b = floats_of(g.values[op.inputs[2]]);
    l.bias.assign(b.begin(), b.end());
  }
  const auto all = floats_of(w);
  l.w.resize(all.size());
  for (std::size_t o = 0; o < out; ++o)
    for (std::size_t i = 0; i < in; ++i)
      for (std::size_t k = 0; k < area; ++k) l.w[(o * area + k) * in + i] = all[(o * in + i) * area + k];
  const bool depthwise = l.groups == l.from.shape.c && l.groups == l.to.shape.c && l.groups > 1;
  l.kind = depthwise ? op_kind::dwconv2d : op_kind::conv2d;
  return l;
}

/// nd_matmul of a value with a constant: trans_a trans_b alpha beta act act_alpha act_beta. Pixel by pixel where the
/// product runs over channels; over the whole image where it was flattened before: then a convolution as large as that.
inline std::optional<weight_layer> product_layer(const lowered_graph& g, const lowered_op& op,
                                                 const std::optional<layout>& x_layout) {
  using namespace quantize_impl;
  const auto& a = op.attributes;
  const bool has_bias = op.inputs.size() > 2 && op.inputs[2] != no_value;
  const lowered_value &x = g.values[op.inputs[0]], &w = g.values[op.inputs[1]], &y = g.values[op.outputs[0]];
  if (!is_f32_constant(g, op.inputs[1]) || a[0] != 0 || w.dims.size() != 2 || x.is_constant || x.dims.size() < 2)
    return std::nullopt;
  const bool turned = a[1] != 0;
  const std::int64_t depth = turned ? w.dims[1] : w.dims[0], out = turned ? w.dims[0] : w.dims[1];
  if (has_bias && (!is_f32_constant(g, op.inputs[2]) || (count_of(g.values[op.inputs[2]].dims) != out &&
                                                         count_of(g.values[op.inputs[2]].dims) != 1)))
    return std::nullopt;
  if (has_bias && !g.values[op.inputs[2]].dims.empty() && count_of(g.values[op.inputs[2]].dims) != 1 &&
      g.values[op.inputs[2]].dims.back() != out)
    return std::nullopt;
  weight_layer l;
  l.name = op.name;
  l.x = op.inputs[0], l.y = op.outputs[0];
  std::vector<std::size_t> column(static_cast<std::size_t>(depth));  // of W, by position in the kernel
  for (std::size_t k = 0; k < column.size(); ++k) column[k] = k;
  const auto dense = [&](const layout& at) { return at.offset == 0 && at.shape.count() == count_of(x.dims); };
  const bool flattened = x_layout && dense(*x_layout) && count_of(x.dims) == depth &&
                         x_layout->shape.c != depth && plain_strides(*x_layout, x.dims).has_value();
  const auto rows = rows_of(x.dims);
  if (flattened) {
    l.from = *x_layout;
    l.kernel_h = l.from.shape.h, l.kernel_w = l.from.shape.w;
    const auto s = *plain_strides(l.from, x.dims);
    std::size_t k = 0;
    for (std::int64_t h = 0; h < l.from.shape.h; ++h)
      for (std::int64_t v = 0; v < l.from.shape.w; ++v)
        for (std::int64_t c = 0; c < l.from.shape.c; ++c)
          column[k++] = static_cast<std::size_t>(h * s[0] + v * s[1] + c * s[2]);
    l.to.shape = {1, 1, static_cast<std::int32_t>(out)};
    l.to.dims.resize(y.dims.size());
    l.to.dims.back() = layout_impl::one(out, 1);
    l.kind = op_kind::conv2d;
  } else {
    const bool by_pixel = x_layout && dense(*x_layout) && x_layout->shape.c == depth &&
                          x_layout->dims.back() == layout_impl::one(depth, 1) &&
                          plain_strides(*x_layout, x.dims).has_value();
    if (!by_pixel && !rows) return std::nullopt;
    l.from = by_pixel ? *x_layout : *rows;
    l.to = l.from;
    l.to.shape.c = static_cast<std::int32_t>(out);
    for (auto& d : l.to.dims)
      for (axis_atom& atom : d) atom.stride = atom.stride / depth * out;
    l.to.dims.back() = layout_impl::one(out, 1);
    l.kind = op_kind::linear;
  }
  if (l.from.shape.h > 16384 || l.from.shape.w > 16384) return std::nullopt;
  const auto strides = plain_strides(l.from, x.dims);
  if (!strides) return std::nullopt;
  l.x_strides = *strides;
  read_activation(l, a[4], a[6]);
  const float alpha = real_of(a[2]), beta = real_of(a[3]);
  const auto all = floats_of(w);
  l.w.resize(all.size());
  for (std::size_t o = 0; o < static_cast<std::size_t>(out); ++o)
    for (std::size_t k = 0; k < column.size(); ++k)
      l.w[o * column.size() + k] =
          alpha * (turned ? all[o * column.size() + column[k]] : all[column[k] * static_cast<std::size_t>(out) + o]);
  l.bias.assign(static_cast<std::size_t>(out), 0.0f);
  if (has_bias) {
    const auto b = floats_of(g.values[op.inputs[2]]);
    for (std::size_t o = 0; o < l.bias.size(); ++o) l.bias[o] = beta * b[b.size() == 1 ? 0 : o];
  }
  return l;
}

}  // namespace dsmm::inline DSMM_ABI::convert
