// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/node_scope.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// A window that moves over 1 to 3 spatial axes, as attributes of Conv and pools have it.
struct window {
  dim_list kernel, strides, dilations, begins, ends;
  bool ceil = false;

  std::size_t axes() const noexcept { return kernel.size(); }
  std::int64_t reach(std::size_t i) const noexcept { return (kernel[i] - 1) * dilations[i] + 1; }

  /// Positions of the window along an axis of n elements; below 1 if it does not fit.
  std::int64_t positions(std::size_t i, std::int64_t n) const noexcept {
    const std::int64_t room = n + begins[i] + ends[i] - reach(i);
    if (room < 0) return 0;
    std::int64_t y = room / strides[i] + 1;
    if (ceil && room % strides[i] != 0 && y * strides[i] < n + begins[i]) ++y;  // it must start inside the input
    return y;
  }
};

/// Reads and checks strides, dilations, pads and auto_pad; `spatial` are the extents of the input behind N and C.
/// Every entry is in [1, 2^14], pads in [0, 2^14]; a failure of the builder otherwise.
inline window read_window(node_scope& s, const dim_list& kernel, const dim_list& spatial) {
  const std::size_t n = spatial.size();
  window w;
  w.kernel = kernel;
  w.strides = s.integers("strides", dim_list(n, 1));
  w.dilations = s.integers("dilations", dim_list(n, 1));
  const dim_list pads = s.integers("pads", dim_list(2 * n, 0));
  w.ceil = s.flag("ceil_mode");
  const std::string_view mode = s.text("auto_pad", "NOTSET");
  if (n < 1 || n > 3) s.fail(errc::unsupported, "windows over 1 to 3 spatial axes are supported");
  if (w.kernel.size() != n || w.strides.size() != n || w.dilations.size() != n || pads.size() != 2 * n)
    s.fail(errc::bad_value, "attributes kernel_shape, strides, dilations and pads do not fit the input's rank");
  if (mode != "NOTSET" && mode != "VALID" && mode != "SAME_UPPER" && mode != "SAME_LOWER")
    s.fail(errc::bad_value, "attribute auto_pad is unknown");
  for (const dim_list* list : {&w.kernel, &w.strides, &w.dilations})
    for (const std::int64_t v : *list)
      if (v < 1 || v > format::max_window)
        s.fail(errc::bad_value, "kernel_shape, strides and dilations must be positive");
  for (const std::int64_t v : pads)
    if (v < 0 || v > format::max_window) s.fail(errc::bad_value, "attribute pads must not be negative");
  if (s.to.failed()) return w;
  w.begins.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(n));
  w.ends.assign(pads.begin() + static_cast<std::ptrdiff_t>(n), pads.end());
  if (mode == "NOTSET") return w;
  w.begins.assign(n, 0);
  w.ends.assign(n, 0);
  for (std::size_t i = 0; i < n && mode != "VALID"; ++i) {
    const std::int64_t y = (spatial[i] + w.strides[i] - 1) / w.strides[i];
    const std::int64_t total = std::max<std::int64_t>(0, (y - 1) * w.strides[i] + w.reach(i) - spatial[i]);
    w.begins[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.ends[i] = total - w.begins[i];
  }
  return w;
}

inline dim_list spatial_of(var x) { return x.rank() < 2 ? dim_list() : dim_list(x.dims().begin() + 2, x.dims().end()); }

/// Appends the entries of a list and `fill` up to three.
inline void push3(std::vector<std::int32_t>& to, const dim_list& values, std::int32_t fill) {
  for (std::size_t i = 0; i < 3; ++i) to.push_back(i < values.size() ? static_cast<std::int32_t>(values[i]) : fill);
}

/// N, C' and the positions of the window.
inline dim_list window_dims(node_scope& s, const window& w, std::int64_t n, std::int64_t channels,
                            const dim_list& spatial) {
  dim_list dims{n, channels};
  for (std::size_t i = 0; i < w.axes(); ++i) {
    dims.push_back(w.positions(i, spatial[i]));
    if (dims.back() < 1) s.fail(errc::shape_mismatch, "the window is larger than its padded input");
  }
  return dims;
}

}  // namespace dsmm::inline DSMM_ABI::convert
