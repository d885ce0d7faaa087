// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>
#include <numeric>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/matmul.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Fourier transforms as products with a constant matrix, and window functions.
namespace dsmm::inline DSMM_ABI::convert {

inline constexpr double pi = 3.14159265358979323846;

/// cos and sin of 2 pi j k / n for j < rows, k < columns, as (rows, columns, 2). Angles are reduced exactly first.
inline var fourier_matrix(builder& to, std::int64_t rows, std::int64_t columns, std::int64_t n, bool inverse,
                          dtype type) {
  if (rows < 1 || columns < 1 || n < 1 || rows > 16'384 || columns > 16'384 || rows * columns > (std::int64_t{1} << 24))
    return to.fail(errc::too_large, "a Fourier transform of this length is not supported");
  const var index = to.reshape(iota(to, rows), {rows, 1}) * iota(to, columns);
  const var turns = cast(binary(binary_fn::mod, index, to.integer(n)), dtype::f64) * (2 * pi / static_cast<double>(n));
  const double scale = inverse ? 1.0 / static_cast<double>(n) : 1.0;
  const var real = unary(unary_fn::cos, turns) * scale,
            imaginary = unary(unary_fn::sin, turns) * (inverse ? scale : -scale);
  return cast(concat(to, std::vector<var>{unsqueeze(real, 2), unsqueeze(imaginary, 2)}, 2), type);
}

/// x (..., n, 1 or 2) -> (..., bins, 2); n samples seen as `length` ones.
inline var fourier(var x, std::int64_t length, std::int64_t bins, bool inverse) {
  builder& to = *x.to;
  if (to.failed()) return x;
  const std::int64_t axis = x.rank() - 2, n = std::min(length, x.dim(axis));
  x = slice(x, axis, 0, n);
  const var w = fourier_matrix(to, n, bins, length, inverse, x.type());
  if (to.failed()) return x;
  dim_list lead(x.dims().begin(), x.dims().end() - 2), dims = lead;
  lead.push_back(n);
  dims.push_back(bins);
  dims.push_back(2);
  const auto part = [&](std::int64_t i) { return to.reshape(slice(x, x.rank() - 1, i, 1), lead); };
  const var flat_w = to.reshape(w, {n, bins * 2});
  const var real = to.reshape(matmul(part(0), flat_w), dims);
  if (to.failed() || x.dim(x.rank() - 1) == 1) return real;
  const var turned = to.reshape(matmul(part(1), flat_w), dims);  // times i: (re, im) -> (-im, re)
  const std::int64_t last = static_cast<std::int64_t>(dims.size()) - 1;
  const var minus = unary(unary_fn::neg, slice(turned, last, 1, 1));
  return real + concat(to, std::vector<var>{minus, slice(turned, last, 0, 1)}, last);
}

/// x (..., bins, 2), the first half of a spectrum whose other half mirrors it -> (..., length, 1).
inline var real_signal(var x, std::int64_t length) {
  builder& to = *x.to;
  if (to.failed()) return x;
  const std::int64_t axis = x.rank() - 2, bins = std::min(length / 2 + 1, x.dim(axis));
  if (length > 32'768) return to.fail(errc::too_large, "a Fourier transform of this length is not supported");
  std::vector<double> times;  // in the whole spectrum: once are the mean, and where the halves meet
  for (std::int64_t k = 0; k < bins; ++k) times.push_back(2 * k % length == 0 ? 1.0 : 2.0);
  const var weights = cast(to.constant(dtype::f64, {bins, 1}, std::span<const double>(times)), x.type());
  const var y = fourier(slice(x, axis, 0, bins) * weights, length, length, true);
  return to.failed() ? y : slice(y, y.rank() - 1, 0, 1);
}

inline void lower_dft(node_scope& s) {
  var x = s.in(0);
  if (s.to.failed()) return;
  if (x.rank() < 2) return s.fail(errc::shape_mismatch, "DFT: the input needs a signal and a last axis of 1 or 2");
  std::int64_t axis = s.integer("axis", 1);
  if (s.opset >= 20) {
    const dim_list given =
        s.has(2) ? s.constant(2, "DFT: the axis must be known when the model is imported") : dim_list{-2};
    axis = given.empty() ? -2 : given[0];
  }
  axis = s.axis(axis, x.rank());
  if (s.to.failed()) return;
  if (axis == x.rank() - 1) return s.fail(errc::bad_value, "DFT: the last axis holds real and imaginary parts");
  const bool inverse = s.flag("inverse"), onesided = s.flag("onesided");
  std::int64_t length = inverse && onesided ? 2 * (x.dim(axis) - 1) : x.dim(axis);
  if (s.has(1)) {
    const dim_list given = s.constant(1, "DFT: the length must be known when the model is imported");
    if (!given.empty()) length = given[0];
  }
  if (s.to.failed()) return;
  if (length < 1 || (inverse && onesided && x.dim(x.rank() - 1) != 2))
    return s.fail(errc::bad_value, "DFT: the length, or the inverse of one side of a real signal");
  x = swap_axes(x, axis, x.rank() - 2);
  const var y =
      inverse && onesided ? real_signal(x, length) : fourier(x, length, onesided ? length / 2 + 1 : length, inverse);
  s.out[0] = s.to.failed() ? y : swap_axes(y, axis, y.rank() - 2);
}

/// signal (B, n, 1 or 2), frame_step, window, frame_length -> (B, frames, bins, 2)
inline void lower_stft(node_scope& s) {
  const var x = s.in(0);
  const dim_list step = s.constant(1, "STFT: the step must be known when the model is imported");
  const var window = s.optional(2);
  dim_list length = window ? window.dims() : dim_list();
  if (s.has(3)) length = s.constant(3, "STFT: the frame length must be known when the model is imported");
  if (s.to.failed()) return;
  if (x.rank() != 3 || step.size() != 1 || length.size() != 1 || step[0] < 1 || step[0] > format::max_extent ||
      length[0] < 1 || length[0] > x.dim(1))
    return s.fail(errc::bad_value, "STFT: the frames do not fit the signal");
  const std::int64_t frames = (x.dim(1) - length[0]) / step[0] + 1, parts = x.dim(2);
  const dim_list strides{x.dim(1) * parts, step[0] * parts, parts, 1};
  var y = view(x, {x.dim(0), frames, length[0], parts}, 0, strides);
  if (window) y = y * s.to.reshape(window, {length[0], 1});
  s.out[0] = fourier(y, length[0], s.flag("onesided", true) ? length[0] / 2 + 1 : length[0], false);
}

/// a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N)
inline void lower_window(node_scope& s) {
  const dim_list size = s.constant(0, "the size of a window must be known when the model is imported");
  const onnx::type_row* row = onnx::find_type(s.integer("output_datatype", 1));
  if (row == nullptr || !row->type) return s.fail(errc::unsupported, "attribute output_datatype");
  if (s.to.failed()) return;
  if (size.size() != 1 || size[0] < 1) return s.fail(errc::bad_value, "the size of a window must be positive");
  const double n = static_cast<double>(s.flag("periodic", true) ? size[0] : std::max<std::int64_t>(size[0] - 1, 1));
  const bool hann = s.node.op == "HannWindow", hamming = s.node.op == "HammingWindow";
  const double a0 = hann      ? 0.5
                    : hamming ? 25.0 / 46.0
                              : 0.42,
               a1 = hann || hamming ? 1 - a0 : 0.5, a2 = hann || hamming ? 0 : 0.08;
  const var turns = cast(iota(s.to, size[0]), dtype::f64) * (2 * pi / n);
  const auto cosine = [](var v) { return unary(unary_fn::cos, v); };
  s.out[0] = cast(cosine(turns) * -a1 + cosine(turns * 2.0) * a2 + a0, *row->type);
}

inline constexpr lowering signal_lowerings[] = {
    {"", "BlackmanWindow", lower_window}, {"", "DFT", lower_dft},   {"", "HammingWindow", lower_window},
    {"", "HannWindow", lower_window},     {"", "STFT", lower_stft},
};

}  // namespace dsmm::inline DSMM_ABI::convert
