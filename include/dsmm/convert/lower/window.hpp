// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/build/window.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Convolutions and pools.
namespace dsmm::inline DSMM_ABI::convert {

using kernels::nd::pool_fn;

/// Padding as far as a kernel reaches is not the convolution's business: the input is padded first.
inline var padded_for(node_scope& s, var x, window& w, var fill = {}) {
  bool far = false;
  for (std::size_t i = 0; i < w.axes(); ++i) far = far || w.begins[i] >= w.reach(i) || w.ends[i] >= w.reach(i);
  if (!far || s.to.failed()) return x;
  dim_list begins(2, 0), ends(2, 0);
  begins.insert(begins.end(), w.begins.begin(), w.begins.end());
  ends.insert(ends.end(), w.ends.begin(), w.ends.end());
  std::fill(w.begins.begin(), w.begins.end(), 0);
  std::fill(w.ends.begin(), w.ends.end(), 0);
  return pad(x, kernels::nd::pad_fn::constant, begins, ends, fill);
}

inline std::vector<std::int32_t> conv_attributes(const window& w, std::int64_t group) {
  std::vector<std::int32_t> out{static_cast<std::int32_t>(group), static_cast<std::int32_t>(w.axes()), 0, 0, 0};
  push3(out, w.strides, 1);
  push3(out, w.dilations, 1);
  push3(out, w.begins, 0);
  push3(out, w.ends, 0);
  return out;
}

/// x (N, C, spatial), weights (M, C / group, kernel): checks them and gives the window.
inline window conv_window(node_scope& s, var x, var w, std::int64_t group) {
  if (s.to.failed()) return {};
  if (x.rank() < 3 || w.rank() != x.rank()) {
    s.fail(errc::shape_mismatch, "the input must have 1 to 3 spatial axes, and the weights as many");
    return {};
  }
  if (group < 1 || group > x.dim(1) || x.dim(1) % group != 0) {
    s.fail(errc::bad_value, "attribute group does not divide the channels");
    return {};
  }
  const dim_list kernel = s.integers("kernel_shape", spatial_of(w));
  if (kernel != spatial_of(w)) s.fail(errc::shape_mismatch, "attribute kernel_shape is not that of the weights");
  return read_window(s, kernel, spatial_of(x));
}

/// y of Conv and its relatives; `kind` nd_conv or nd_conv_integer, the four inputs as that op has them.
inline var emit_conv(node_scope& s, op_kind kind, std::vector<var> inputs, dtype type, var fill = {}) {
  const std::int64_t group = s.integer("group", 1);
  const var w = inputs[1];
  window window = conv_window(s, inputs[0], w, group);
  if (s.to.failed()) return inputs[0];
  if (w.dim(1) * group != inputs[0].dim(1) || w.dim(0) % group != 0) {
    s.fail(errc::shape_mismatch, "the weights do not fit the input's channels and attribute group");
    return inputs[0];
  }
  inputs[0] = padded_for(s, inputs[0], window, fill);
  const value_type y{type, window_dims(s, window, inputs[0].dim(0), w.dim(0), spatial_of(inputs[0]))};
  return s.to.emit(kind, inputs, conv_attributes(window, group), std::span(&y, 1))[0];
}

inline void lower_conv(node_scope& s) {
  const var x = s.in(0), w = s.in(1), bias = s.optional(2);
  std::vector<var> inputs{x, w};
  if (bias) inputs.push_back(bias);
  s.out[0] = emit_conv(s, op_kind::nd_conv, inputs, x.type());
}

inline void lower_conv_transpose(node_scope& s) {
  const var x = s.in(0), w = s.in(1), bias = s.optional(2);
  const std::int64_t group = s.integer("group", 1);
  window k = conv_window(s, x, w, group);
  if (s.to.failed()) return;
  if (w.dim(0) != x.dim(1)) return s.fail(errc::shape_mismatch, "ConvTranspose: the weights do not fit the channels");
  const std::size_t n = k.axes();
  const dim_list spatial = spatial_of(x), extra = s.integers("output_padding", dim_list(n, 0));
  dim_list wanted = s.integers("output_shape");
  if (wanted.size() > n) wanted.erase(wanted.begin(), wanted.end() - static_cast<std::ptrdiff_t>(n));
  const std::string_view mode = s.text("auto_pad", "NOTSET");
  if (extra.size() != n || (!wanted.empty() && wanted.size() != n))
    return s.fail(errc::bad_value, "ConvTranspose: output_padding or output_shape do not fit the input's rank");
  dim_list dims{x.dim(0), w.dim(1) * group};
  if (mode == "VALID") k.begins.assign(n, 0), k.ends.assign(n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    if (extra[i] < 0 || extra[i] >= std::max(k.strides[i], k.dilations[i]))
      return s.fail(errc::bad_value, "ConvTranspose: attribute output_padding must be below strides or dilations");
    const std::int64_t whole = k.strides[i] * (spatial[i] - 1) + extra[i] + k.reach(i);
    const bool same = mode == "SAME_UPPER" || mode == "SAME_LOWER";
    if (!wanted.empty() || same) {
      const std::int64_t target = wanted.empty() ? spatial[i] * k.strides[i] : wanted[i];
      const std::int64_t total = std::max<std::int64_t>(0, whole - target);
      const bool late = mode == "SAME_UPPER";
      k.begins[i] = late ? total / 2 : total - total / 2;
      k.ends[i] = total - k.begins[i];
      if (target > whole + format::max_window || target < 1)
        return s.fail(errc::bad_value, "ConvTranspose: attribute output_shape cannot be reached");
      dims.push_back(target);
    } else {
      dims.push_back(whole - k.begins[i] - k.ends[i]);
    }
    if (dims.back() < 1) return s.fail(errc::shape_mismatch, "ConvTranspose: the output would be empty");
  }
  std::vector<std::int32_t> attributes = conv_attributes(k, group);
  dim_list out_padding(n, 0);
  for (std::size_t i = 0; i < n; ++i)
    out_padding[i] = dims[2 + i] - (k.strides[i] * (spatial[i] - 1) + k.reach(i) - k.begins[i] - k.ends[i]);
  push3(attributes, out_padding, 0);
  const var inputs[] = {x, w, bias};
  const value_type y{x.type(), dims};
  s.out[0] = s.to.emit(op_kind::nd_conv_transpose, std::span(inputs, bias ? 3 : 2), attributes, std::span(&y, 1))[0];
}

inline void lower_pool(node_scope& s) {
  const var x = s.in(0);
  if (!s.to.failed() && x.rank() < 3) return s.fail(errc::shape_mismatch, "pools need 1 to 3 spatial axes");
  const pool_fn fn = s.node.op == "MaxPool" ? pool_fn::max : s.node.op == "LpPool" ? pool_fn::lp : pool_fn::average;
  const window w = read_window(s, s.integers("kernel_shape"), spatial_of(x));
  if (s.to.failed()) return;
  for (std::size_t i = 0; i < w.axes(); ++i)
    if (w.begins[i] >= w.reach(i) || w.ends[i] >= w.reach(i))
      return s.fail(errc::bad_value, "attribute pads must be smaller than the window");
  std::vector<std::int32_t> attributes{static_cast<std::int32_t>(fn),
                                       static_cast<std::int32_t>(w.axes()),
                                       static_cast<std::int32_t>(s.integer("p", 2)),
                                       s.flag("count_include_pad") ? 1 : 0,
                                       w.ceil ? 1 : 0,
                                       s.flag("storage_order") ? 1 : 0};
  push3(attributes, w.kernel, 1);
  push3(attributes, w.strides, 1);
  push3(attributes, w.dilations, 1);
  push3(attributes, w.begins, 0);
  push3(attributes, w.ends, 0);
  const dim_list dims = window_dims(s, w, x.dim(0), x.dim(1), spatial_of(x));
  const value_type types[] = {{x.type(), dims}, {dtype::s64, dims}};
  const auto y = s.to.emit(op_kind::nd_pool, std::span(&x, 1), attributes, std::span(types, s.wants(1) ? 2 : 1));
  s.out[0] = y[0];
  if (s.wants(1)) s.out[1] = y[1];
}

inline void lower_global_pool(node_scope& s) {
  const var x = s.in(0);
  if (s.to.failed()) return;
  if (x.rank() < 2) return s.fail(errc::shape_mismatch, "global pools need channels");
  dim_list axes(static_cast<std::size_t>(x.rank() - 2));
  std::iota(axes.begin(), axes.end(), 2);
  if (s.node.op == "GlobalLpPool") {
    const std::int64_t p = s.integer("p", 2);
    if (p != 1 && p != 2) return s.fail(errc::unsupported, "GlobalLpPool: attribute p must be 1 or 2");
    s.out[0] = reduce(p == 1 ? reduce_fn::l1 : reduce_fn::l2, x, axes, true);
    return;
  }
  s.out[0] = reduce(s.node.op == "GlobalMaxPool" ? reduce_fn::max : reduce_fn::mean, x, axes, true);
}

/// Puts values where MaxPool's second output says that they were, zeros elsewhere.
inline void lower_max_unpool(node_scope& s) {
  const var x = s.in(0), index = s.in(1);
  if (!s.to.failed() && x.rank() < 3) return s.fail(errc::shape_mismatch, "pools need 1 to 3 spatial axes");
  const window w = read_window(s, s.integers("kernel_shape"), spatial_of(x));
  if (s.to.failed()) return;
  dim_list dims{x.dim(0), x.dim(1)};
  for (std::size_t i = 0; i < w.axes(); ++i)
    dims.push_back((spatial_of(x)[i] - 1) * w.strides[i] + w.kernel[i] - w.begins[i] - w.ends[i]);
  if (s.has(2)) dims = s.constant(2, "MaxUnpool: output_shape must be known when the model is imported");
  if (s.to.failed()) return;
  if (static_cast<std::int64_t>(dims.size()) != x.rank() || count_of(dims) < 0 || index.dims() != x.dims())
    return s.fail(errc::shape_mismatch, "MaxUnpool: output_shape or indices do not fit the input");
  const var values = s.to.reshape(x, {x.count()}), places = s.to.reshape(index, {x.count()});
  const var zeros = full(s.to, x.type(), {count_of(dims)}, 0);
  s.out[0] = s.to.reshape(
      s.to.emit(op_kind::nd_scatter_elements, {zeros, places, values}, {0, 0}, x.type(), zeros.dims()), dims);
}

inline constexpr lowering window_lowerings[] = {
    {"", "AveragePool", lower_pool},
    {"", "Conv", lower_conv},
    {"", "ConvTranspose", lower_conv_transpose},
    {"", "GlobalAveragePool", lower_global_pool},
    {"", "GlobalLpPool", lower_global_pool},
    {"", "GlobalMaxPool", lower_global_pool},
    {"", "LpPool", lower_pool},
    {"", "MaxPool", lower_pool},
    {"", "MaxUnpool", lower_max_unpool},
};

}  // namespace dsmm::inline DSMM_ABI::convert
