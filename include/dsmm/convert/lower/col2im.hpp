// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/build/window.hpp"
#include "dsmm/convert/lower/index.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Col2Im: the sum of overlapping blocks, where a convolution by im2col leaves its gradient; torch's fold.
namespace dsmm::inline DSMM_ABI::convert {

namespace col2im_impl {

/// Row-major place of every element of the columns, block element by block element, in the padded image.
inline std::vector<std::int64_t> places(const window& w, const dim_list& padded, const dim_list& steps) {
  const std::int64_t taps = count_of(w.kernel), blocks = count_of(steps);
  std::vector<std::int64_t> out;
  out.reserve(static_cast<std::size_t>(taps * blocks));
  const auto digits = [](std::int64_t i, const dim_list& dims) {
    dim_list d(dims.size());
    for (std::size_t k = dims.size(); k-- > 0; i /= dims[k]) d[k] = i % dims[k];
    return d;
  };
  for (std::int64_t tap = 0; tap < taps; ++tap)
    for (std::int64_t block = 0; block < blocks; ++block) {
      const dim_list t = digits(tap, w.kernel), b = digits(block, steps);
      std::int64_t at = 0;
      for (std::size_t k = 0; k < padded.size(); ++k) at = at * padded[k] + b[k] * w.strides[k] + t[k] * w.dilations[k];
      out.push_back(at);
    }
  return out;
}

}  // namespace col2im_impl

/// x (N, C * block, L), shape of the image, shape of the block -> (N, C, image). Overlaps add up in the order of the
/// block's elements.
inline void lower_col2im(node_scope& s) {
  constexpr const char* text = "Col2Im: image_shape and block_shape must be known when the model is imported";
  const var x = s.in(0);
  const dim_list image = s.constant(1, text), block = s.constant(2, text);
  if (s.to.failed()) return;
  if (x.rank() != 3) return s.fail(errc::shape_mismatch, "Col2Im: the input must be (N, C * block, L)");
  for (const std::int64_t n : image)
    if (n < 1 || n > format::max_extent) return s.fail(errc::bad_value, "Col2Im: an extent of image_shape cannot be");
  const window w = read_window(s, block, image);
  if (s.to.failed()) return;
  dim_list padded, steps;
  for (std::size_t i = 0; i < w.axes(); ++i) {
    padded.push_back(image[i] + w.begins[i] + w.ends[i]);
    steps.push_back(w.positions(i, image[i]));
  }
  const std::int64_t taps = count_of(block);
  if (taps < 1 || x.dim(1) % taps != 0 || count_of(steps) < 1 || x.dim(2) != count_of(steps))
    return s.fail(errc::shape_mismatch, "Col2Im: the input is not as many blocks as the image has");
  const std::int64_t columns = taps * count_of(steps);
  if (columns > format::max_extent || count_of(padded) < 1 || count_of(padded) > format::max_extent)
    return s.fail(errc::too_large, "Col2Im: the image is too large");
  const std::int64_t n = x.dim(0), c = x.dim(1) / taps;
  const auto at = col2im_impl::places(w, padded, steps);
  const var index = s.to.constant(dtype::s64, {columns, 1}, std::span<const std::int64_t>(at));
  const var updates = transpose(s.to.reshape(x, {n * c, columns}), {1, 0});
  const var zeros = full(s.to, x.type(), {count_of(padded), n * c}, 0);
  var y = s.to.emit(op_kind::nd_scatter_nd, {zeros, index, updates}, {static_cast<std::int32_t>(scatter_fn::add)},
                    x.type(), zeros.dims());
  dim_list whole{n, c};
  whole.insert(whole.end(), padded.begin(), padded.end());
  y = s.to.reshape(transpose(y, {1, 0}), whole);
  for (std::size_t i = 0; i < w.axes(); ++i) y = slice(y, static_cast<std::int64_t>(2 + i), w.begins[i], image[i]);
  s.out[0] = y;
}

inline constexpr lowering col2im_lowerings[] = {{"", "Col2Im", lower_col2im}};

}  // namespace dsmm::inline DSMM_ABI::convert
