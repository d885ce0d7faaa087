// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Resize, Upsample and what samples between elements.
namespace dsmm::inline DSMM_ABI::convert {

using kernels::nd::resize_coordinates;
using kernels::nd::resize_fn;
using kernels::nd::resize_nearest;

/// Index of a name in a list; the builder fails if it is not there.
template <std::size_t N>
std::int32_t choose(node_scope& s, std::string_view name, const std::array<std::string_view, N>& names,
                    const char* text) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == name) return static_cast<std::int32_t>(i);
  s.fail(errc::unsupported, text);
  return 0;
}

struct resize_request {
  std::vector<double> scales;  ///< per axis of `axes`
  dim_list sizes;              ///< the other way to say it
  dim_list axes;
  std::vector<double> roi;  ///< starts, then ends
};

/// Output extents, and scales per axis of x (0: from the extents).
inline bool apply(node_scope& s, const resize_request& want, const dim_list& from, bool by_extents, dim_list& dims,
                  std::array<float, 6>& scales) {
  dims = from;
  for (std::size_t i = 0; i < want.axes.size(); ++i) {
    const auto a = static_cast<std::size_t>(want.axes[i]);
    if (!want.sizes.empty()) {
      dims[a] = want.sizes[i];
    } else {
      const double scale = want.scales[i];
      if (!(scale > 0) || scale > 65'536.0) return s.fail(errc::bad_value, "Resize: a scale cannot be"), false;
      double extent = static_cast<double>(from[a]);
      if (!want.roi.empty()) extent *= want.roi[i + want.axes.size()] - want.roi[i];
      if (!(extent * scale >= 0 && extent * scale <= format::max_extent))
        return s.fail(errc::bad_value, "Resize: an extent cannot be"), false;
      dims[a] = static_cast<std::int64_t>(std::floor(extent * scale));
      if (scale != 1.0 && !by_extents) scales[a] = static_cast<float>(scale);
    }
    if (dims[a] < 1 || dims[a] > format::max_extent)
      return s.fail(errc::bad_value, "Resize: an extent cannot be"), false;
  }
  return true;
}

/// keep_aspect_ratio_policy: one scale for all axes.
inline void keep_aspect(node_scope& s, resize_request& want, const dim_list& from) {
  const std::string_view policy = s.text("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch" || want.sizes.empty()) return;
  double scale = policy == "not_larger" ? 1e30 : 0;
  for (std::size_t i = 0; i < want.axes.size(); ++i) {
    const double one =
        static_cast<double>(want.sizes[i]) / static_cast<double>(from[static_cast<std::size_t>(want.axes[i])]);
    scale = policy == "not_larger" ? std::min(scale, one) : std::max(scale, one);
  }
  if (!(scale > 0 && scale <= 65'536.0)) return s.fail(errc::bad_value, "Resize: attribute keep_aspect_ratio_policy");
  want.scales.assign(want.axes.size(), scale);
  for (std::size_t i = 0; i < want.axes.size(); ++i)
    want.sizes[i] = static_cast<std::int64_t>(
        std::floor(scale * static_cast<double>(from[static_cast<std::size_t>(want.axes[i])]) + 0.5));
}

inline void emit_resize(node_scope& s, var x, resize_request want, std::string_view coordinates) {
  constexpr std::array<std::string_view, 3> modes{"nearest", "linear", "cubic"};
  constexpr std::array<std::string_view, 7> places{"half_pixel",          "half_pixel_symmetric", "pytorch_half_pixel",
                                                   "align_corners",       "asymmetric",           "tf_crop_and_resize",
                                                   "tf_half_pixel_for_nn"};
  constexpr std::array<std::string_view, 4> roundings{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  std::string_view mode_name = s.text("mode", "nearest");
  if (mode_name == "bilinear" || mode_name == "trilinear") mode_name = "linear";
  const std::int32_t mode = choose(s, mode_name, modes, "Resize: attribute mode is unknown");
  const std::int32_t place =
      choose(s, coordinates, places, "Resize: attribute coordinate_transformation_mode is unknown");
  const bool old = s.node.op == "Upsample" || s.opset < 11;  // had no attribute: down to the next, up to the one before
  const bool shrinks = std::any_of(want.scales.begin(), want.scales.end(), [](double scale) { return scale < 1; });
  const std::string_view fallback = !old ? "round_prefer_floor" : shrinks ? "ceil" : "floor";
  const std::int32_t rounding =
      choose(s, s.text("nearest_mode", fallback), roundings, "Resize: attribute nearest_mode");
  if (s.to.failed()) return;
  if (want.axes.empty())
    for (std::int64_t i = 0; i < x.rank(); ++i) want.axes.push_back(i);
  if ((want.sizes.empty() ? want.scales.size() : want.sizes.size()) != want.axes.size())
    return s.fail(errc::bad_value, "Resize: scales or sizes are not one per axis");
  const bool crops = place == static_cast<std::int32_t>(resize_coordinates::tf_crop_and_resize);
  if (crops && want.roi.size() != 2 * want.axes.size())
    return s.fail(errc::bad_value, "Resize: roi is not two per axis");
  if (!crops) want.roi.clear();
  keep_aspect(s, want, x.dims());
  dim_list dims;
  std::array<float, 6> scales{}, start{}, end{};
  end.fill(1.0f);
  // ONNX's reference aligns the corner of scale * extent, unrounded; PyTorch means that of the last pixel, and so does
  // ONNX Runtime.
  const bool by_extents = s.to.from_pytorch() && place == static_cast<std::int32_t>(resize_coordinates::align_corners);
  if (!apply(s, want, x.dims(), by_extents, dims, scales)) return;
  if (x.rank() > 6) return s.fail(errc::unsupported, "Resize: over 6 dimensions");
  for (std::size_t i = 0; i < want.axes.size() && crops; ++i) {
    start[static_cast<std::size_t>(want.axes[i])] = static_cast<float>(want.roi[i]);
    end[static_cast<std::size_t>(want.axes[i])] = static_cast<float>(want.roi[i + want.axes.size()]);
  }
  std::vector<std::int32_t> attributes{mode,
                                       place,
                                       rounding,
                                       bits_of(s.real("cubic_coeff_a", -0.75f)),
                                       s.flag("exclude_outside"),
                                       s.flag("antialias"),
                                       bits_of(s.real("extrapolation_value", 0.0f))};
  for (const auto* list : {&scales, &start, &end})
    for (const float v : *list) attributes.push_back(bits_of(v));
  const bool whole = !is_float(x.type());  // e.g. a mask: computed in f32, cut off
  const dtype type = whole ? dtype::f32 : x.type();
  const var from = cast(x, type);
  const value_type y{type, dims};
  s.out[0] = cast(s.to.emit(op_kind::nd_resize, std::span(&from, 1), attributes, std::span(&y, 1))[0], x.type());
}

inline void lower_resize(node_scope& s) {
  constexpr const char* text = "Resize: roi, scales and sizes must be known when the model is imported";
  const var x = s.in(0);
  const bool old = s.opset < 11;
  resize_request want;
  const auto read = [&](std::size_t i) {
    const var v = s.optional(i);
    if (!v || v.count() == 0 || !s.to.require_constant(v, text)) return std::vector<double>();
    return reals_of(v);
  };
  if (!old) want.roi = read(1);
  want.scales = read(old ? 1 : 2);
  if (!old && s.has(3)) want.sizes = s.constant(3, text);
  if (s.has_attribute("axes")) want.axes = s.axes(s.integers("axes"), x.rank());
  if (s.to.failed()) return;
  emit_resize(s, x, want, old ? "asymmetric" : s.text("coordinate_transformation_mode", "half_pixel"));
}

inline void lower_upsample(node_scope& s) {
  const var x = s.in(0);
  resize_request want;
  if (s.opset < 9) {
    const onnx::attribute* scales = s.node.find("scales");
    if (scales == nullptr) return s.fail(errc::bad_value, "Upsample: attribute scales is missing");
    want.scales.assign(scales->reals.begin(), scales->reals.end());
  } else {
    if (!s.to.require_constant(s.in(1), "Upsample: scales must be known when the model is imported")) return;
    want.scales = reals_of(s.in(1));
  }
  if (!s.to.failed()) emit_resize(s, x, want, "asymmetric");
}

inline void lower_grid_sample(node_scope& s) {
  constexpr std::array<std::string_view, 3> modes{"nearest", "linear", "cubic"},
      paddings{"zeros", "border", "reflection"};
  const var x = s.in(0), grid = s.in(1);
  std::string_view mode = s.text("mode", "linear");
  if (mode == "bilinear") mode = "linear";
  if (mode == "bicubic") mode = "cubic";
  const std::int32_t fn = choose(s, mode, modes, "GridSample: attribute mode is unknown");
  const std::int32_t padding =
      choose(s, s.text("padding_mode", "zeros"), paddings, "GridSample: attribute padding_mode");
  if (s.to.failed()) return;
  if (x.rank() < 3 || grid.rank() != x.rank()) return s.fail(errc::shape_mismatch, "GridSample: ranks do not fit");
  dim_list dims{x.dim(0), x.dim(1)};
  dims.insert(dims.end(), grid.dims().begin() + 1, grid.dims().end() - 1);
  s.out[0] = s.to.emit(op_kind::nd_grid_sample, {x, grid}, {fn, padding, s.flag("align_corners")}, x.type(), dims);
}

inline void lower_roi_align(node_scope& s) {
  const var x = s.in(0), boxes = s.in(1), batch = s.in(2);
  const std::int64_t h = s.integer("output_height", 1), w = s.integer("output_width", 1);
  const std::int64_t ratio = s.integer("sampling_ratio", 0);
  const bool half =
      s.text("coordinate_transformation_mode", s.opset < 16 ? "output_half_pixel" : "half_pixel") == "half_pixel";
  if (s.to.failed()) return;
  if (x.rank() != 4 || boxes.rank() != 2 || h < 1 || w < 1 || ratio < 0 || ratio > 1024)
    return s.fail(errc::bad_value, "RoiAlign: attributes or ranks");
  s.out[0] = s.to.emit(
      op_kind::nd_roi_align, {x, boxes, batch},
      {s.text("mode", "avg") == "max", half, static_cast<std::int32_t>(ratio), bits_of(s.real("spatial_scale", 1.0f))},
      x.type(), {boxes.dim(0), x.dim(1), h, w});
}

inline constexpr lowering resize_lowerings[] = {
    {"", "GridSample", lower_grid_sample},
    {"", "Resize", lower_resize},
    {"", "RoiAlign", lower_roi_align},
    {"", "Upsample", lower_upsample},
};

}  // namespace dsmm::inline DSMM_ABI::convert
