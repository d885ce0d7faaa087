// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/fold.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/input_form.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/convert/quantize/rounding.hpp"
#include "dsmm/convert/quantize/table.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/kernels/softmax_levels.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/writer.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// The smallest weight scale of each channel with which its bias and its requantization factor can be expressed: the
/// factor stays above 2^-20, so that an integer bias of 2^30 is far outside the u8 range.
inline std::vector<float> least_scales(const weight_layer& l, quantization x, std::optional<quantization> y) {
  std::vector<float> least(l.channels(), 1e-30f);
  for (std::size_t o = 0; o < least.size(); ++o) {
    const float by_bias = std::abs(l.bias[o]) / x.scale * 0x1p-29f;
    const float by_factor = y ? y->scale / x.scale * 0x1p-20f : 0.0f;
    least[o] = std::max({least[o], by_factor, y ? 0.0f : by_bias});
  }
  return least;
}

namespace quantize_impl {

/// Writes the quantized model: integer ops where the plan says so, general ones elsewhere, and between them as few
/// conversions as possible, each made once.
class integer_emitter {
public:
  integer_emitter(const lowered_graph& g, const quantize_plan& plan, const std::vector<quantization>& grids,
                  const std::vector<rounded_layer>& layers, const std::vector<u8_table_values>& tables,
                  const input_form& form)
      : g_(g), plan_(plan), grids_(grids), layers_(layers), tables_(tables), form_(form) {
    const std::size_t n = g.values.size();
    plain_.assign(n, format::no_tensor);
    u8_.assign(n, format::no_tensor);
    f32_.assign(n, format::no_tensor);
  }

  result<file_bytes> run(const std::vector<std::pair<std::string, std::string>>& meta) {
    for (const lowered_port& p : g_.inputs) {
      const lowered_value& v = g_.values[p.value];
      if (form_.u8) {
        const layout at = *channels_first(v.dims);
        pixels_[p.value] = w_.input(p.name, dtype::u8, at.shape, {1.0f, 0});
      } else {
        plain_[p.value] = w_.plain(format::tensor_kind::input, p.name, v.type, file_dims(v.dims));
      }
    }
    for (const lowered_port& p : g_.outputs)
      outputs_[p.value] =
          w_.plain(format::tensor_kind::output, p.name, g_.values[p.value].type, file_dims(g_.values[p.value].dims));
    w_.program("main");
    for (std::size_t i = 0; i < g_.ops.size(); ++i) step(g_.ops[i], plan_.steps[i], tables_[i]);
    for (const lowered_port& p : g_.outputs) plain(p.value);
    for (const auto& [key, value] : meta) w_.meta(key, value);
    return w_.finish();
  }

private:
  quantization grid(std::uint32_t v) const { return grids_[plan_.grids[plan_.roots[v]]]; }

  void step(const lowered_op& op, const lowered_step& s, const u8_table_values& table) {
    name_ = std::string_view(op.name).substr(0, format::max_name);
    if (s.how == runs_as::view || s.how == runs_as::absorbed) return;
    if (s.how == runs_as::general) return general(op);
    const std::uint32_t y = op.outputs[0];
    const layout& to = *plan_.layouts[y];
    if (s.how == runs_as::layer) return layer(plan_.layers[s.layer], layers_[s.layer]);
    if (s.how == runs_as::layer_norm) return layer_norm(op, s, to);
    std::vector<std::uint32_t> in;
    const bool as_it_lies = s.how == runs_as::table || s.how == runs_as::attention;
    for (const std::uint32_t v : s.x) in.push_back(u8(v, as_it_lies ? *plan_.layouts[v] : wanted(v, to)));
    u8_[y] = w_.value("", dtype::u8, to.shape, grid(y));
    switch (s.how) {
      case runs_as::max_pool: return w_.op(op_kind::max_pool, name_, in, out(u8_[y]), s.attributes);
      case runs_as::avg_pool: return w_.op(op_kind::avg_pool, name_, in, out(u8_[y]), s.attributes);
      case runs_as::add: return w_.op(op_kind::add, name_, {in[0], in[1]}, {u8_[y]}, {s.relu ? 1 : 0});
      case runs_as::mul: return w_.op(op_kind::mul, name_, {in[0], in[1]}, {u8_[y]}, {s.relu ? 1 : 0});
      case runs_as::concat: return w_.op(op_kind::concat, name_, in, out(u8_[y]), s.attributes);
      case runs_as::resize: return w_.op(op_kind::resize, name_, in, out(u8_[y]), s.attributes);
      case runs_as::attention: {
        in.resize(5, format::no_tensor);  // no relative positions
        if (s.rounding) round_attention(*s.rounding, in);
        if (s.bias) add_bias(*s.bias, s, in);
        return w_.op(op_kind::attention, name_, in, out(u8_[y]), s.attributes);
      }
      default: break;
    }
    const std::uint32_t constant = w_.constant<std::int32_t>("", {256}, table);
    w_.op(op_kind::lut, name_, {in[0], constant}, {u8_[y]});
  }

  /// What is added to the scores, in steps of q times k; windows that add the same share it.
  void add_bias(const attention_bias& b, const lowered_step& s, std::vector<std::uint32_t>& in) {
    const auto windows = static_cast<std::int32_t>(b.kind.size()), kinds = static_cast<std::int32_t>(b.kinds);
    in.resize(9, format::no_tensor);
    if (windows != 1) in[8] = w_.constant<std::int32_t>("", {windows}, b.kind);
    if (b.values.empty()) return;
    const extents q = plan_.layouts[s.x[0]]->shape, k = plan_.layouts[s.x[1]]->shape;
    const double depth = static_cast<double>(q.c) / s.attributes[0];
    const double step = static_cast<double>(grid(s.x[0]).scale) * static_cast<double>(grid(s.x[1]).scale);
    std::vector<std::int32_t> values;
    for (const float v : b.values)
      values.push_back(static_cast<std::int32_t>(
          std::clamp(std::nearbyint(static_cast<double>(v) * std::sqrt(depth) / step), -0x1p29, 0x1p29)));
    in[7] = w_.constant<std::int32_t>("", {kinds, static_cast<std::int32_t>(b.heads), q.h / windows, k.h / windows},
                                      values);
  }

  void round_attention(const attention_grids& grids, std::vector<std::uint32_t>& in) {
    const float levels[] = {grids.scores.scale / grids.factor, static_cast<float>(grids.scores.zero_point),
                            grids.probabilities.scale, static_cast<float>(grids.probabilities.zero_point)};
    const auto powers = kernels::softmax_powers(grids.scores.scale);
    in.push_back(w_.constant<float>("", {4}, levels));
    in.push_back(w_.constant<std::int32_t>("", {256}, powers));
  }

  std::span<const std::uint32_t> out(const std::uint32_t& tensor) const { return {&tensor, 1}; }

  /// How an op with that result wants to see v: as an image, or exactly as its result lies.
  layout wanted(std::uint32_t v, const layout& to) const {
    if (plan_.layouts[v] ? *plan_.layouts[v] == to : rows_of(g_.values[v].dims) == to) return to;
    return *channels_first(g_.values[v].dims);
  }

  void general(const lowered_op& op) {
    if (mean_of_image(op)) return;
    std::vector<std::uint32_t> in, to;
    for (const std::uint32_t v : op.inputs) in.push_back(v == no_value ? format::no_tensor : plain(v));
    name_ = std::string_view(op.name).substr(0, format::max_name);
    for (const std::uint32_t v : op.outputs) to.push_back(new_plain(v));
    w_.op(op.kind, name_, in, to, op.attributes);
  }

  /// The mean of each channel of what a layer has left in f32, where it lies: else the whole image would be turned into
  /// planes first.
  bool mean_of_image(const lowered_op& op) {
    if (op.kind != op_kind::nd_reduce || op.inputs[0] == no_value) return false;
    const std::uint32_t x = op.inputs[0], root = plan_.roots[x];
    const dim_list& dims = g_.values[x].dims;
    const auto image = channels_first(dims);
    const bool mean = op.attributes[0] == static_cast<std::int32_t>(kernels::nd::reduce_fn::mean);
    if (!mean || !image || dims.size() < 3 || op.attributes[1] != (1 << dims.size()) - 4) return false;
    if (f32_[root] == format::no_tensor || !plan_.layouts[x] || !(*plan_.layouts[x] == *image)) return false;
    name_ = std::string_view(op.name).substr(0, format::max_name);
    const std::uint32_t pooled = w_.value("", dtype::f32, {1, 1, image->shape.c});
    w_.op(op_kind::avg_pool, name_, {f32_[root]}, {pooled}, {0, 0, 1, 1, 0, 0, 0, 0});
    const std::uint32_t y = op.outputs[0];
    std::vector<std::int32_t> a(7, 0);
    for (std::size_t d = 0; d < g_.values[y].dims.size(); ++d) a[1 + d] = g_.values[y].dims[d] == 1 ? 0 : 1;
    const std::uint32_t to = new_plain(y);
    w_.op(op_kind::nd_copy, name_, out(pooled), out(to), a);
    return true;
  }

  void layer(const weight_layer& l, const rounded_layer& r) {
    const std::uint32_t x = u8(l.x, l.from);
    const bool to_u8 = plan_.as_u8[l.y];
    const std::uint32_t y =
        to_u8 ? w_.value("", dtype::u8, l.to.shape, grid(l.y)) : w_.value("", dtype::f32, l.to.shape);
    (to_u8 ? u8_ : f32_)[l.y] = y;
    const auto channels = static_cast<std::int32_t>(l.channels());
    const std::int32_t dims[] = {channels, l.kernel_h, l.kernel_w,
                                 l.kind == op_kind::dwconv2d ? 1 : l.from.shape.c / l.groups};
    const std::uint32_t weights =
        r.bits == 4 ? w_.constant("", dtype::i4s, dims, i4s_bytes_of(l, r), static_cast<std::uint32_t>(r.group))
                    : w_.constant("", dtype::s8, dims, std::as_bytes(std::span(r.codes)));
    std::vector<std::int32_t> bias(l.channels());
    const auto xs = static_cast<double>(grid(l.x).scale);
    for (std::size_t o = 0; o < bias.size(); ++o) {
      const double real = static_cast<double>(r.bias[o]) / (xs * static_cast<double>(r.scale[o]));
      bias[o] = static_cast<std::int32_t>(std::clamp(std::nearbyint(real), -0x1p30, 0x1p30));
    }
    const std::uint32_t b = w_.constant<std::int32_t>("", {channels}, bias);
    const std::uint32_t s = w_.constant<float>("", {channels}, r.scale);
    const std::int32_t relu = l.relu ? 1 : 0;
    std::vector<std::int32_t> a{relu};
    if (l.kind != op_kind::linear) {
      a = {l.stride_h, l.stride_w, l.top, l.left, l.bottom, l.right, l.dilation_h, l.dilation_w};
      if (l.kind == op_kind::conv2d) a.push_back(l.groups);
      a.push_back(relu);
    }
    const std::uint32_t in[] = {x, weights, b, s};
    w_.op(l.kind, name_, in, out(y), a);
  }

  static std::vector<std::byte> i4s_bytes_of(const weight_layer& l, const rounded_layer& r) {
    const std::size_t depth = l.depth(), row = (depth + 1) / 2;
    std::vector<std::byte> bytes(l.channels() * row);
    for (std::size_t o = 0; o < l.channels(); ++o)
      for (std::size_t k = 0; k < depth; ++k)
        bytes[o * row + k / 2] |= static_cast<std::byte>((r.codes[o * depth + k] + 8) << (k % 2 == 0 ? 0 : 4));
    if (r.group != 0)
      for (const std::uint8_t s : r.steps) bytes.push_back(static_cast<std::byte>(s));
    return bytes;
  }

  /// v as a dense u8 tensor that lies like `want`.
  std::uint32_t u8(std::uint32_t v, const layout& want) {
    const std::uint32_t root = plan_.roots[v];
    if (plan_.layouts[v] && *plan_.layouts[v] == want && u8_[root] != format::no_tensor) return u8_[root];
    const std::array<std::int64_t, 4> key{v, want.shape.h, want.shape.w, want.shape.c};
    if (const auto known = own_.find(key); known != own_.end()) return known->second;
    if (const auto pixels = pixels_.find(v); pixels != pixels_.end()) return own_[key] = from_pixels(v, pixels->second);
    if (plan_.layouts[v] && u8_[root] != format::no_tensor)
      if (const auto p = picked(*plan_.layouts[v], want)) return own_[key] = pick(v, *p, want);
    if (is_picture(v, want)) return own_[key] = to_u8(op_kind::quantize_planes, plain(v), v, want.shape, 1.0f, {}, {});
    return own_[key] = to_u8(op_kind::quantize, real(v, want), v, want.shape, 1.0f, {}, {});
  }

  /// v as a dense f32 tensor that lies like `want`.
  std::uint32_t real(std::uint32_t v, const layout& want) {
    const std::uint32_t from = plain(v), hwc = w_.value("", dtype::f32, want.shape);
    const auto strides = plain_strides(want, g_.values[v].dims);
    std::vector<std::int32_t> a(7, 0);
    for (std::size_t k = 0; k < 3 && strides; ++k) a[1 + k] = static_cast<std::int32_t>((*strides)[k]);
    w_.op(op_kind::nd_copy, name_, out(from), out(hwc), a);
    return hwc;
  }

  void layer_norm(const lowered_op& op, const lowered_step& s, const layout& to) {
    const std::uint32_t x = s.x.empty() ? real(op.inputs[0], to) : u8(s.x[0], to), y = op.outputs[0];
    const dim_list c{to.shape.c};
    const std::uint32_t gamma = w_.constant("", dtype::f32, file_dims(c), g_.values[op.inputs[1]].bytes);
    const std::uint32_t beta = w_.constant("", dtype::f32, file_dims(c), g_.values[op.inputs[2]].bytes);
    u8_[y] = w_.value("", dtype::u8, to.shape, grid(y));
    w_.op(op_kind::layer_norm, name_, std::array{x, gamma, beta}, out(u8_[y]), s.attributes);
  }

  /// Channels first and few of them: more than four are faster turned by nd_copy.
  bool is_picture(std::uint32_t v, const layout& want) const {
    const dim_list& dims = g_.values[v].dims;
    const auto strides = plain_strides(want, dims);
    const auto [h, w, c] = want.shape;
    return dims.size() == 4 && dims[0] == 1 && dims[1] == c && dims[2] == h && dims[3] == w && c <= 4 && strides &&
           (h == 1 || (*strides)[0] == w) && (w == 1 || (*strides)[1] == 1) &&
           (c == 1 || (*strides)[2] == std::int64_t{h} * w);
  }

  static float of_channel(std::span<const float> values, std::size_t c, float without) {
    return values.empty() ? without : values[c % values.size()];
  }

  /// f32 (H, W, C), or planes, to the grid of v, normalised by channel on the way.
  std::uint32_t to_u8(op_kind kind, std::uint32_t real, std::uint32_t v, extents shape, float factor,
                      std::span<const float> mean, std::span<const float> deviation) {
    const quantization q = grid(v);
    std::vector<float> scale, offset;
    for (std::size_t c = 0; c < static_cast<std::size_t>(shape.c); ++c) {
      const float m = of_channel(mean, c, 0.0f), d = of_channel(deviation, c, 1.0f);
      scale.push_back(factor / (d * q.scale));
      offset.push_back(static_cast<float>(q.zero_point) - m / (d * q.scale));
    }
    const std::uint32_t s = w_.constant<float>("", {shape.c}, scale), o = w_.constant<float>("", {shape.c}, offset);
    const std::uint32_t y = w_.value("", dtype::u8, shape, q);
    w_.op(kind, name_, {real, s, o}, {y});
    return y;
  }

  std::uint32_t from_pixels(std::uint32_t v, std::uint32_t pixels) {
    const extents shape = channels_first(g_.values[v].dims)->shape;
    return to_u8(op_kind::quantize, unscaled(pixels, shape), v, shape, form_.factor, form_.mean, form_.deviation);
  }

  std::uint32_t unscaled(std::uint32_t pixels, extents shape) {
    const std::uint32_t real = w_.value("", dtype::f32, shape);
    w_.op(op_kind::dequantize, name_, {pixels}, {real});
    return real;
  }

  /// Pixels as the normalised planes that general ops know.
  std::uint32_t planes(std::uint32_t v, std::uint32_t pixels) {
    const auto [h, w, c] = channels_first(g_.values[v].dims)->shape;
    const std::vector<std::int32_t> dims = file_dims(g_.values[v].dims);
    std::vector<float> factor, offset;
    for (std::size_t k = 0; k < static_cast<std::size_t>(c); ++k) {
      const float d = of_channel(form_.deviation, k, 1.0f);
      factor.push_back(form_.factor / d);
      offset.push_back(-of_channel(form_.mean, k, 0.0f) / d);
    }
    const auto next = [&] { return w_.plain(format::tensor_kind::value, "", dtype::f32, dims); };
    const std::uint32_t turned = next(), scaled = next(), y = next();
    w_.op(op_kind::nd_copy, name_, {unscaled(pixels, {h, w, c})}, {turned}, {0, 0, 1, w * c, c, 0, 0});
    w_.op(op_kind::nd_binary, name_, {turned, w_.constant<float>("", {1, c, 1, 1}, factor)}, {scaled},
          {static_cast<std::int32_t>(binary_fn::mul)});
    w_.op(op_kind::nd_binary, name_, {scaled, w_.constant<float>("", {1, c, 1, 1}, offset)}, {y},
          {static_cast<std::int32_t>(binary_fn::add)});
    return y;
  }

  /// Channels first, first + step, ... through a 1x1 convolution whose factor is so near to 1 that it is exact.
  std::uint32_t pick(std::uint32_t v, channel_pick p, const layout& want) {
    const std::int32_t in = plan_.layouts[v]->shape.c, count = want.shape.c;
    std::vector<std::int8_t> w(static_cast<std::size_t>(in) * static_cast<std::size_t>(count), 0);
    for (std::int32_t o = 0; o < count; ++o) w[static_cast<std::size_t>(o * in + p.first + o * p.step)] = 64;
    const std::vector<float> scale(static_cast<std::size_t>(count), (1.0f - 0x1p-24f) / 64.0f);
    const std::vector<std::int32_t> bias(static_cast<std::size_t>(count), 0);
    const std::uint32_t weights = w_.constant<std::int8_t>("", {count, 1, 1, in}, w);
    const std::uint32_t b = w_.constant<std::int32_t>("", {count}, bias), s = w_.constant<float>("", {count}, scale);
    const std::uint32_t y = w_.value("", dtype::u8, want.shape, grid(v));
    w_.op(op_kind::conv2d, name_, {u8_[plan_.roots[v]], weights, b, s}, {y}, {1, 1, 0, 0, 0, 0, 1, 1, 1, 0});
    return y;
  }

  std::uint32_t new_plain(std::uint32_t v) {
    if (const auto known = outputs_.find(v); known != outputs_.end()) return plain_[v] = known->second;
    const lowered_value& value = g_.values[v];
    return plain_[v] = w_.plain(format::tensor_kind::value, "", value.type, file_dims(value.dims));
  }

  /// v as the plain tensor that general ops know.
  std::uint32_t plain(std::uint32_t v) {
    if (plain_[v] != format::no_tensor) return plain_[v];
    const lowered_value& value = g_.values[v];
    if (value.is_constant) return plain_[v] = w_.constant("", value.type, file_dims(value.dims), value.bytes);
    if (const auto pixels = pixels_.find(v); pixels != pixels_.end()) return plain_[v] = planes(v, pixels->second);
    const std::uint32_t root = plan_.roots[v];
    if (f32_[root] == format::no_tensor) {
      f32_[root] = w_.value("", dtype::f32, plan_.layouts[root]->shape);
      w_.op(op_kind::dequantize, name_, {u8_[root]}, {f32_[root]});
    }
    layout at = *plan_.layouts[v];
    for (auto& atoms : at.dims) layout_impl::join(atoms, [](std::int64_t) { return false; });
    std::vector<std::int32_t> a{static_cast<std::int32_t>(at.offset)};
    bool direct = true;
    for (const auto& atoms : at.dims) {
      direct = direct && atoms.size() < 2;
      a.push_back(atoms.empty() ? 0 : static_cast<std::int32_t>(atoms[0].stride));
    }
    std::uint32_t from = f32_[root];
    if (!direct) {  // first a dimension per atom, then their products
      std::vector<std::int32_t> split;
      a.resize(1);
      for (const auto& atoms : at.dims)
        for (const axis_atom& atom : atoms) {
          split.push_back(static_cast<std::int32_t>(atom.extent));
          a.push_back(static_cast<std::int32_t>(atom.stride));
        }
      a.resize(7, 0);
      const std::uint32_t parts = w_.plain(format::tensor_kind::value, "", dtype::f32, split);
      w_.op(op_kind::nd_copy, name_, out(from), out(parts), a);
      from = parts;
      a.assign(1, 0);
      std::int32_t stride = 1;
      for (std::size_t d = value.dims.size(); d-- > 0; stride *= static_cast<std::int32_t>(value.dims[d]))
        a.insert(a.begin() + 1, stride);
    }
    a.resize(7, 0);
    const std::uint32_t y = new_plain(v);
    w_.op(op_kind::nd_copy, name_, out(from), out(y), a);
    return y;
  }

  const lowered_graph& g_;
  const quantize_plan& plan_;
  const std::vector<quantization>& grids_;
  const std::vector<rounded_layer>& layers_;
  const std::vector<u8_table_values>& tables_;
  const input_form& form_;
  model_writer w_;
  std::string_view name_;
  std::vector<std::uint32_t> plain_, u8_, f32_;
  std::map<std::array<std::int64_t, 4>, std::uint32_t> own_;  // by value and shape: copies made for an op
  std::map<std::uint32_t, std::uint32_t> outputs_, pixels_;
};

}  // namespace quantize_impl

/// The quantized model as a file. Errors: as model_writer::finish.
inline result<file_bytes> emit_integer(const lowered_graph& g, const quantize_plan& plan,
                                       const std::vector<quantization>& grids, const std::vector<rounded_layer>& layers,
                                       const std::vector<u8_table_values>& tables, const input_form& form,
                                       const std::vector<std::pair<std::string, std::string>>& meta) {
  return quantize_impl::integer_emitter(g, plan, grids, layers, tables, form).run(meta);
}

}  // namespace dsmm::inline DSMM_ABI::convert
