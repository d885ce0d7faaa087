// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Operators that make and rearrange tensors. Shapes are static here, so most of them become views or constants.
namespace dsmm::inline DSMM_ABI::convert {

inline var constant_of(builder& to, const onnx::tensor& t) { return to.constant(t.type, t.dims, t.bytes, t.owned); }

inline void lower_constant(node_scope& s) {
  if (const onnx::tensor* t = s.tensor("value")) {
    s.out[0] = constant_of(s.to, *t);
  } else if (s.has_attribute("value_int")) {
    s.out[0] = s.to.integer(s.integer("value_int", 0));
  } else if (s.has_attribute("value_float")) {
    s.out[0] = scalar(s.to, dtype::f32, static_cast<double>(s.real("value_float", 0)));
  } else if (s.has_attribute("value_ints")) {
    s.out[0] = s.to.integers(s.integers("value_ints"));
  } else if (const onnx::attribute* a = s.node.find("value_floats")) {
    s.out[0] =
        s.to.constant(dtype::f32, {static_cast<std::int64_t>(a->reals.size())}, std::span<const float>(a->reals));
  } else {
    s.fail(errc::unsupported, "Constant: only tensors and numbers are supported");
  }
}

inline void lower_constant_of_shape(node_scope& s) {
  const dim_list dims = s.constant(0, "ConstantOfShape: the shape must be known when the model is imported");
  const onnx::tensor* t = s.tensor("value");
  if (t != nullptr && count_of(t->dims) != 1) return s.fail(errc::bad_value, "ConstantOfShape: attribute value");
  const var v = t == nullptr ? scalar(s.to, dtype::f32, 0) : s.to.reshape(constant_of(s.to, *t), {});
  s.out[0] = expand(v, dims);
}

inline void lower_shape(node_scope& s) {
  const var x = s.in(0);
  const auto bound = [&](std::int64_t v) { return std::clamp<std::int64_t>(v < 0 ? v + x.rank() : v, 0, x.rank()); };
  const std::int64_t start = bound(s.integer("start", 0)), end = bound(s.integer("end", x.rank()));
  if (s.to.failed()) return;
  s.out[0] = s.to.integers(dim_list(x.dims().begin() + start, x.dims().begin() + std::max(start, end)));
}

inline void lower_size(node_scope& s) { s.out[0] = s.to.integer(s.in(0).count()); }

inline void lower_reshape(node_scope& s) {
  const var x = s.in(0);
  dim_list dims = s.constant(1, "Reshape: the shape must be known when the model is imported");
  if (s.to.failed()) return;
  std::int64_t known = 1, open = -1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0 && !s.flag("allowzero")) {
      if (i >= x.dims().size()) return s.fail(errc::bad_value, "Reshape: the shape copies an extent that is not there");
      dims[i] = x.dims()[i];
    }
    if (dims[i] == -1 && open < 0) open = static_cast<std::int64_t>(i);
    else if (dims[i] < 0 || __builtin_mul_overflow(known, dims[i], &known))
      return s.fail(errc::bad_value, "Reshape: the shape has an extent that cannot be");
  }
  if (open >= 0) {
    if (known == 0 || x.count() % known != 0)
      return s.fail(errc::shape_mismatch, "Reshape: the open extent has no value");
    dims[static_cast<std::size_t>(open)] = x.count() / known;
  }
  s.out[0] = s.to.reshape(x, dims);
}

inline void lower_flatten(node_scope& s) {
  const var x = s.in(0);
  const std::int64_t axis = s.axis(s.integer("axis", 1), x.rank(), true);
  if (s.to.failed()) return;
  const std::int64_t outer =
      std::accumulate(x.dims().begin(), x.dims().begin() + axis, std::int64_t{1}, std::multiplies<>());
  const std::int64_t inner =
      std::accumulate(x.dims().begin() + axis, x.dims().end(), std::int64_t{1}, std::multiplies<>());
  s.out[0] = s.to.reshape(x, {outer, inner});
}

inline void lower_squeeze(node_scope& s) {
  const var x = s.in(0);
  const auto given = s.list("axes", 1, "Squeeze: axes must be known when the model is imported");
  if (s.to.failed()) return;
  const dim_list axes = given ? s.axes(*given, x.rank()) : dim_list();
  dim_list dims;
  for (std::int64_t i = 0; i < x.rank(); ++i) {
    const bool drop = given ? std::count(axes.begin(), axes.end(), i) != 0 : x.dim(i) == 1;
    if (!drop) dims.push_back(x.dim(i));
  }
  s.out[0] = s.to.reshape(x, dims);
}

inline void lower_unsqueeze(node_scope& s) {
  const var x = s.in(0);
  const auto given = s.list("axes", 1, "Unsqueeze: axes must be known when the model is imported");
  if (s.to.failed()) return;
  if (!given) return s.fail(errc::bad_value, "Unsqueeze: axes are missing");
  dim_list axes = s.axes(*given, x.rank() + static_cast<std::int64_t>(given->size()));
  std::sort(axes.begin(), axes.end());
  dim_list dims = x.dims();
  if (!s.to.failed())
    for (const std::int64_t a : axes) dims.insert(dims.begin() + a, 1);
  s.out[0] = s.to.reshape(x, dims);
}

inline void lower_transpose(node_scope& s) {
  const var x = s.in(0);
  dim_list reversed(x.dims().size());
  for (std::size_t i = 0; i < reversed.size(); ++i) reversed[i] = x.rank() - 1 - static_cast<std::int64_t>(i);
  const dim_list given = s.integers("perm", reversed);
  const dim_list perm = s.axes(given, x.rank());
  if (perm.size() != x.dims().size()) return s.fail(errc::bad_value, "Transpose: attribute perm is no permutation");
  if (s.to.failed()) return;
  s.out[0] = transpose(x, perm);
  if (const auto scales = x.value().scales) {  // weights of a quantized product, as torch.export turns them
    const auto axis = static_cast<std::int64_t>(std::find(perm.begin(), perm.end(), scales->axis) - perm.begin());
    s.to.set_scales(s.out[0], {scales->scale, scales->scale.size() == 1 ? 0 : axis});
  }
}

inline void lower_slice(node_scope& s) {
  constexpr const char* text = "Slice: starts, ends, axes and steps must be known when the model is imported";
  var x = s.in(0);
  const auto starts = s.list("starts", 1, text), ends = s.list("ends", 2, text);
  auto axes = s.list("axes", 3, text), steps = s.list("steps", 4, text);
  if (s.to.failed()) return;
  if (!starts || !ends || starts->size() != ends->size())
    return s.fail(errc::bad_value, "Slice: starts and ends are not as many as each other");
  if (!axes) axes.emplace(starts->size()), std::iota(axes->begin(), axes->end(), 0);
  if (!steps) steps.emplace(starts->size(), 1);
  if (axes->size() != starts->size() || steps->size() != starts->size())
    return s.fail(errc::bad_value, "Slice: axes or steps are not as many as starts");
  const dim_list which = s.axes(*axes, x.rank());
  for (std::size_t i = 0; i < which.size() && !s.to.failed(); ++i) {
    const std::int64_t n = x.dim(which[i]), step = (*steps)[i];
    if (step == 0 || step == INT64_MIN) return s.fail(errc::bad_value, "Slice: a step is 0");
    const auto bound = [&](std::int64_t v) {
      if (v < 0) v += n;
      return step > 0 ? std::clamp<std::int64_t>(v, 0, n) : std::clamp<std::int64_t>(v, -1, n - 1);
    };
    const std::int64_t start = std::clamp<std::int64_t>(bound((*starts)[i]), 0, step > 0 ? n : n - 1);
    const std::int64_t end = bound((*ends)[i]);
    const std::int64_t reach = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
    x = slice(x, which[i], start, reach <= 0 ? 0 : (reach - 1) / stride + 1, reach <= stride ? 1 : step);
  }
  s.out[0] = x;
}

inline void lower_split(node_scope& s) {
  const var x = s.in(0);
  const std::int64_t axis = s.axis("axis", 0, x.rank());
  auto sizes = s.list("split", 1, "Split: sizes must be known when the model is imported");
  if (s.to.failed()) return;
  const std::int64_t n = x.dim(axis), parts = static_cast<std::int64_t>(s.out.size());
  if (!sizes) {
    if (parts == 0 || s.integer("num_outputs", parts) != parts)
      return s.fail(errc::bad_value, "Split: attribute num_outputs is not the number of outputs");
    const std::int64_t each = (n + parts - 1) / parts;
    sizes.emplace();
    for (std::int64_t i = 0; i < parts; ++i) sizes->push_back(std::clamp<std::int64_t>(n - i * each, 0, each));
  }
  for (const std::int64_t v : *sizes)
    if (v < 0 || v > n) return s.fail(errc::shape_mismatch, "Split: a part is larger than the input");
  if (sizes->size() != s.out.size() || std::accumulate(sizes->begin(), sizes->end(), std::int64_t{0}) != n ||
      std::any_of(sizes->begin(), sizes->end(), [](std::int64_t v) { return v < 0; }))
    return s.fail(errc::shape_mismatch, "Split: the parts do not make up the input");
  std::int64_t start = 0;
  for (std::size_t i = 0; i < s.out.size(); start += (*sizes)[i++]) s.out[i] = slice(x, axis, start, (*sizes)[i]);
}

inline void lower_concat(node_scope& s) {
  std::vector<var> parts;
  for (std::size_t i = 0; i < s.inputs(); ++i) parts.push_back(s.in(i));
  if (parts.empty()) return s.fail(errc::bad_value, "Concat: no inputs");
  const std::int64_t axis = s.axis("axis", 1, parts[0].rank());
  if (!s.to.failed()) s.out[0] = concat(s.to, parts, axis);
}

inline void lower_expand(node_scope& s) {
  const var x = s.in(0);
  const dim_list wanted = s.constant(1, "Expand: the shape must be known when the model is imported");
  if (!s.to.failed()) s.out[0] = expand(x, broadcast(s.to, x.dims(), wanted));
}

inline void lower_tile(node_scope& s) {
  var x = s.in(0);
  const dim_list times = s.constant(1, "Tile: repeats must be known when the model is imported");
  if (s.to.failed()) return;
  if (times.size() != x.dims().size()) return s.fail(errc::bad_value, "Tile: repeats are not as many as dimensions");
  for (std::size_t i = 0; i < times.size(); ++i) {
    if (times[i] < 0 || times[i] > format::max_extent) return s.fail(errc::bad_value, "Tile: a repeat cannot be");
    x = repeat(x, static_cast<std::int64_t>(i), times[i]);
  }
  s.out[0] = x;
}

/// start + i * delta, computed in the type of the operands.
inline void lower_range(node_scope& s) {
  constexpr const char* text = "Range: start, limit and delta must be known when the model is imported";
  const var start = s.in(0), limit = s.in(1), delta = s.in(2);
  for (const var& v : {start, limit, delta})
    if (!s.to.require_constant(v, text)) return;
  const auto a = reals_of(start), b = reals_of(limit), d = reals_of(delta);
  if (a.size() != 1 || b.size() != 1 || d.size() != 1 || !(d[0] != 0))
    return s.fail(errc::bad_value, "Range: start, limit and delta must be single numbers, delta not 0");
  const double n = std::max(0.0, (b[0] - a[0]) / d[0]);
  if (!(n <= 16'777'216.0)) return s.fail(errc::too_large, "Range: it would be too long");
  auto count = static_cast<std::int64_t>(n);
  if (static_cast<double>(count) < n) ++count;
  const auto flat = [&](var v) { return s.to.reshape(v, {}); };
  const dtype type = start.type(), wide = is_narrow_float(type) ? dtype::f32 : type;
  const var y = cast(flat(start), wide) + cast(iota(s.to, count), wide) * cast(flat(delta), wide);
  s.out[0] = cast(y, type);
}

inline void lower_eye_like(node_scope& s) {
  const var x = s.in(0);
  if (!s.to.failed() && x.rank() != 2) return s.fail(errc::shape_mismatch, "EyeLike: the input is no matrix");
  const onnx::type_row* row = s.has_attribute("dtype") ? onnx::find_type(s.integer("dtype", 0)) : nullptr;
  if (s.has_attribute("dtype") && (row == nullptr || !row->type))
    return s.fail(errc::unsupported, "EyeLike: dsmm does not have the element type");
  if (s.to.failed()) return;
  const var rows = s.to.reshape(iota(s.to, x.dim(0)), {x.dim(0), 1}) + s.to.integer(s.integer("k", 0));
  const var on = binary(binary_fn::equal, rows, iota(s.to, x.dim(1)));
  s.out[0] = cast(on, row != nullptr ? *row->type : x.type());
}

inline void lower_pad(node_scope& s) {
  var x = s.in(0);
  constexpr const char* text = "Pad: pads and axes must be known when the model is imported";
  const std::string_view mode = s.text("mode", "constant");
  using kernels::nd::pad_fn;
  const pad_fn fn = mode == "reflect" ? pad_fn::reflect
                    : mode == "edge"  ? pad_fn::edge
                    : mode == "wrap"  ? pad_fn::wrap
                                      : pad_fn::constant;
  if (fn == pad_fn::constant && mode != "constant") return s.fail(errc::unsupported, "Pad: attribute mode is unknown");
  const auto pads = s.list("pads", 1, text);
  const auto given = s.has(3) ? std::optional(s.constant(3, text)) : std::nullopt;
  if (s.to.failed()) return;
  dim_list axes(x.dims().size());
  std::iota(axes.begin(), axes.end(), 0);
  if (given) axes = s.axes(*given, x.rank());
  if (!pads || pads->size() != 2 * axes.size()) return s.fail(errc::bad_value, "Pad: pads are not two per dimension");
  dim_list begins(x.dims().size(), 0), ends = begins;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    begins[static_cast<std::size_t>(axes[i])] = (*pads)[i];
    ends[static_cast<std::size_t>(axes[i])] = (*pads)[i + axes.size()];
    for (const std::int64_t p : {(*pads)[i], (*pads)[i + axes.size()]})
      if (p < -format::max_extent || p > format::max_extent) return s.fail(errc::too_large, "Pad: a pad is too large");
  }
  var fill;
  if (fn == pad_fn::constant && s.has(2)) fill = s.to.reshape(s.in(2), {});
  else if (fn == pad_fn::constant && s.has_attribute("value"))
    fill = scalar(s.to, x.type(), static_cast<double>(s.real("value", 0)));
  s.out[0] = pad(x, fn, begins, ends, fill);
}

/// Blocks of b x b between depth and space. DCR: the place in a block is the outer part of the depth, CRD: the inner
/// one.
inline void lower_depth_space(node_scope& s) {
  const var x = s.in(0);
  const std::int64_t b = s.integer("blocksize", 0);
  if (s.to.failed()) return;
  if (x.rank() != 4 || b < 1 || b > format::max_extent) return s.fail(errc::bad_value, "attribute blocksize, or rank");
  const std::int64_t n = x.dim(0), c = x.dim(1), h = x.dim(2), w = x.dim(3);
  const std::string_view mode = s.text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") return s.fail(errc::unsupported, "attribute mode is unknown");
  const bool crd = mode == "CRD";
  if (s.node.op == "SpaceToDepth") {
    if (h % b != 0 || w % b != 0) return s.fail(errc::shape_mismatch, "SpaceToDepth: blocks do not fill the input");
    const var blocks = s.to.reshape(x, {n, c, h / b, b, w / b, b});
    const var y = transpose(blocks, crd ? dim_list{0, 1, 3, 5, 2, 4} : dim_list{0, 3, 5, 1, 2, 4});
    s.out[0] = s.to.reshape(y, {n, c * b * b, h / b, w / b});
    return;
  }
  if (c % (b * b) != 0) return s.fail(errc::shape_mismatch, "DepthToSpace: the depth is no multiple of a block");
  const var blocks =
      crd ? s.to.reshape(x, {n, c / (b * b), b, b, h, w}) : s.to.reshape(x, {n, b, b, c / (b * b), h, w});
  const var y = crd ? transpose(blocks, {0, 1, 4, 2, 5, 3}) : transpose(blocks, {0, 3, 4, 1, 5, 2});
  s.out[0] = s.to.reshape(y, {n, c / (b * b), h * b, w * b});
}

inline constexpr lowering shape_lowerings[] = {
    {"", "Concat", lower_concat},
    {"", "Constant", lower_constant},
    {"", "ConstantOfShape", lower_constant_of_shape},
    {"", "DepthToSpace", lower_depth_space},
    {"", "Expand", lower_expand},
    {"", "EyeLike", lower_eye_like},
    {"", "Flatten", lower_flatten},
    {"", "Pad", lower_pad},
    {"", "Range", lower_range},
    {"", "Reshape", lower_reshape},
    {"", "Shape", lower_shape},
    {"", "Size", lower_size},
    {"", "Slice", lower_slice},
    {"", "SpaceToDepth", lower_depth_space},
    {"", "Split", lower_split},
    {"", "Squeeze", lower_squeeze},
    {"", "Tile", lower_tile},
    {"", "Transpose", lower_transpose},
    {"", "Unsqueeze", lower_unsqueeze},
};

}  // namespace dsmm::inline DSMM_ABI::convert
