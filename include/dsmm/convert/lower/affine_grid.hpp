// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/matmul.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// AffineGrid: the places that an affine map gives the elements of a picture, for GridSample.
namespace dsmm::inline DSMM_ABI::convert {

/// theta (N, d, d + 1) and the shape (N, C, spatial) -> (N, spatial, d), d = 2 or 3, the last axis first.
inline void lower_affine_grid(node_scope& s) {
  const var theta = s.in(0);
  const dim_list size = s.constant(1, "AffineGrid: size must be known when the model is imported");
  const bool corners = s.flag("align_corners");
  if (s.to.failed()) return;
  const std::int64_t d = static_cast<std::int64_t>(size.size()) - 2;
  if ((d != 2 && d != 3) || theta.dims() != dim_list{size[0], d, d + 1})
    return s.fail(errc::shape_mismatch, "AffineGrid: theta must be (N, 2, 3) or (N, 3, 4), and size have N");
  const dim_list spatial(size.begin() + 2, size.end());
  for (const std::int64_t n : spatial)
    if (n < 1 || n > format::max_extent) return s.fail(errc::bad_value, "AffineGrid: an extent of size cannot be");
  const std::int64_t places = count_of(spatial);
  if (places < 1 || places > (std::int64_t{1} << 22)) return s.fail(errc::too_large, "AffineGrid: size is too large");
  std::vector<float> base;  // (places, d + 1): x, y, (z,) 1
  base.reserve(static_cast<std::size_t>(places * (d + 1)));
  for (std::int64_t i = 0; i < places; ++i) {
    std::int64_t rest = i;
    for (std::size_t k = spatial.size(); k-- > 0; rest /= spatial[k]) {
      const auto at = static_cast<float>(rest % spatial[k]), n = static_cast<float>(spatial[k]);
      base.push_back(!corners ? (2 * at + 1) / n - 1 : n > 1 ? 2 * at / (n - 1) - 1 : 0.0f);
    }
    base.push_back(1.0f);
  }
  const var b = s.to.constant(dtype::f32, {places, d + 1}, std::span<const float>(base));
  dim_list dims{size[0]};
  dims.insert(dims.end(), spatial.begin(), spatial.end());
  dims.push_back(d);
  s.out[0] = s.to.reshape(matmul(cast(b, theta.type()), theta, {}, {false, true}), dims);
}

inline constexpr lowering affine_grid_lowerings[] = {{"", "AffineGrid", lower_affine_grid}};

}  // namespace dsmm::inline DSMM_ABI::convert
