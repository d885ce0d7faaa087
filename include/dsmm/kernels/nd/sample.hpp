// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/math64.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Reading pictures between their pixels.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace sample_impl {

/// x mirrored into [low, high] as often as needed.
inline double reflect(double x, double low, double high) noexcept {
  const double range = high - low;
  if (!(range > 0.0) || x != x) return low;
  const double distance = x < low ? low - x : x > high ? x - high : -1.0;
  if (distance < 0.0) return x;
  const double turns = math64::floor(distance / range), rest = math64::fmod(distance, range);
  const bool even = math64::fmod(turns, 2.0) == 0.0;
  return (x < low) == even ? low + rest : high - rest;
}

/// One axis of the picture.
struct axis {
  std::int64_t n;
  grid_padding padding;
  bool corners;

  double low() const noexcept { return corners ? 0.0 : -0.5; }
  double high() const noexcept { return static_cast<double>(n) - (corners ? 1.0 : 0.5); }
  /// From [-1, 1] to pixels. At a border a cubic keeps its place and sees the last pixel repeated, as PyTorch and ONNX
  /// Runtime have it; the others come to the same by stopping there.
  double position(double v, grid_fn f) const noexcept {
    const auto size = static_cast<double>(n);
    double x = corners ? (v + 1.0) / 2.0 * (size - 1.0) : ((v + 1.0) * size - 1.0) / 2.0;
    if (!(math64::abs(x) < 0x1p30)) x = x > 0.0 ? 0x1p30 : -0x1p30;
    if (x >= low() && x <= high()) return x;
    if (padding == grid_padding::border && f != grid_fn::cubic) return std::clamp(x, 0.0, size - 1.0);
    return padding == grid_padding::reflection ? reflect(x, low(), high()) : x;
  }
  /// The pixel that a whole position shows, or -1 for 0.
  std::int64_t pixel(std::int64_t i) const noexcept {
    if (i >= 0 && i < n) return i;
    if (padding == grid_padding::zeros) return -1;
    if (padding == grid_padding::border) return std::clamp<std::int64_t>(i, 0, n - 1);
    return std::clamp<std::int64_t>(static_cast<std::int64_t>(reflect(static_cast<double>(i), low(), high())), 0,
                                    n - 1);
  }
};

/// Up to four pixels along an axis and their weights.
struct taps {
  std::array<std::int64_t, 4> pixel{};
  std::array<double, 4> weight{};
  std::size_t count = 1;

  taps(const axis& a, double v, grid_fn f) noexcept {
    const double x = a.position(v, f), base = math64::floor(x), t = x - base;
    const auto first = static_cast<std::int64_t>(base);
    if (f == grid_fn::nearest) {
      pixel[0] = a.pixel(static_cast<std::int64_t>(math64::round(x)));
      weight[0] = 1.0;
    } else if (f == grid_fn::linear) {
      count = 2;
      pixel = {a.pixel(first), a.pixel(first + 1), 0, 0};
      weight = {1.0 - t, t, 0.0, 0.0};
    } else {
      count = 4;
      constexpr double k = -0.75;
      const auto far = [](double d) { return ((k * d - 5.0 * k) * d + 8.0 * k) * d - 4.0 * k; };
      const auto near = [](double d) { return ((k + 2.0) * d - (k + 3.0)) * d * d + 1.0; };
      weight = {far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)};
      for (std::size_t i = 0; i < 4; ++i) pixel[i] = a.pixel(first - 1 + static_cast<std::int64_t>(i));
    }
  }
};

}  // namespace sample_impl

/// Attributes: mode, padding, align_corners. Inputs: x (N, C, spatial), grid (N, .., spatial rank), x first.
inline void nd_grid_sample(const call& c) noexcept {
  using sample_impl::axis;
  const view &x = c.in[0], &grid = c.in[1], &y = c.out[0];
  const std::size_t spatial = x.rank - 2u;
  const auto f = c.choice<grid_fn>(0);
  const std::int64_t outputs = y.count(2), size = x.count(2), channels = x.dims[1];
  const auto axis_of = [&](std::size_t i) {
    return axis{x.dims[2 + i], c.choice<grid_padding>(1), c.attribute(2) != 0};
  };
  const std::int64_t height = x.dims[x.rank - 2u], width = x.dims[x.rank - 1u];
  visit_real(x.type, [&]<class T>(T) {
    for_runs(c.exec, x.dims[0] * outputs, row_grain(channels * 32), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t e = begin; e < end; ++e) {
        const T* const at = grid.as<const T>() + e * static_cast<std::int64_t>(spatial);
        const auto coordinate = [&](std::size_t i) { return static_cast<double>(at[spatial - 1 - i]); };
        const sample_impl::taps columns(axis_of(spatial - 1), coordinate(spatial - 1), f);
        const sample_impl::taps rows(axis_of(spatial - 2), coordinate(spatial - 2), f);
        const sample_impl::taps planes =
            spatial == 3 ? sample_impl::taps(axis_of(0), coordinate(0), f)
                         : sample_impl::taps({1, grid_padding::border, true}, 0.0, grid_fn::nearest);
        for (std::int64_t k = 0; k < channels; ++k) {
          const T* const plane = x.as<const T>() + (e / outputs * channels + k) * size;
          double sum = 0.0;
          for (std::size_t p = 0; p < planes.count; ++p)
            for (std::size_t r = 0; r < rows.count; ++r)
              for (std::size_t q = 0; q < columns.count; ++q) {
                if (planes.pixel[p] < 0 || rows.pixel[r] < 0 || columns.pixel[q] < 0) continue;
                const T v = plane[(planes.pixel[p] * height + rows.pixel[r]) * width + columns.pixel[q]];
                sum += planes.weight[p] * rows.weight[r] * columns.weight[q] * static_cast<double>(v);
              }
          y.as<T>()[(e / outputs * channels + k) * outputs + e % outputs] = static_cast<T>(sum);
        }
      }
    });
  });
}

/// Attributes: maximum, half_pixel, samples per bin and axis (0: as many as pixels, at most 64), scale of the boxes.
/// Inputs: x (N, C, H, W), boxes (R, 4), batch index of each; one outside counts as the nearest.
inline void nd_roi_align(const call& c) noexcept {
  const view &x = c.in[0], &rois = c.in[1], &batch = c.in[2], &y = c.out[0];
  const bool maximum = c.attribute(0) != 0, half = c.attribute(1) != 0;
  const double scale = static_cast<double>(c.attribute_f32(3)), offset = half ? 0.5 : 0.0;
  const std::int64_t channels = x.dims[1], height = x.dims[2], width = x.dims[3], rows = y.dims[2], columns = y.dims[3];
  visit_real(x.type, [&]<class T>(T) {
    for_runs(c.exec, y.dims[0] * channels, 1, [&](std::int64_t p, std::int64_t) {
      const T* const roi = rois.as<const T>() + p / channels * 4;
      std::array<double, 4> box{};
      for (std::size_t i = 0; i < 4; ++i) {
        const double v = static_cast<double>(roi[i]) * scale - offset;
        box[i] = v == v ? std::clamp(v, -0x1p24, 0x1p24) : 0.0;
      }
      const std::int64_t item =
          std::clamp<std::int64_t>(index_at(batch.data, batch.type, p / channels), 0, x.dims[0] - 1);
      const T* const plane = x.as<const T>() + (item * channels + p % channels) * height * width;
      double h = box[3] - box[1], w = box[2] - box[0];
      if (!half) h = std::max(h, 1.0), w = std::max(w, 1.0);
      const double bin_h = h / static_cast<double>(rows), bin_w = w / static_cast<double>(columns);
      const auto samples = [&](double bin) {
        const double wanted = c.attribute(2) > 0 ? static_cast<double>(c.attribute(2)) : math64::ceil(bin);
        return static_cast<std::int64_t>(std::clamp(wanted, 0.0, 64.0));
      };
      const std::int64_t nh = samples(bin_h), nw = samples(bin_w);
      for (std::int64_t o = 0; o < rows * columns; ++o) {
        double sum = 0.0, best = 0.0;
        bool any = false;
        for (std::int64_t s = 0; s < nh * nw; ++s) {
          double v = box[1] + static_cast<double>(o / columns) * bin_h +
                     (static_cast<double>(s / nw) + 0.5) * bin_h / static_cast<double>(nh);
          double u = box[0] + static_cast<double>(o % columns) * bin_w +
                     (static_cast<double>(s % nw) + 0.5) * bin_w / static_cast<double>(nw);
          std::array<double, 4> parts{};
          if (v >= -1.0 && v <= static_cast<double>(height) && u >= -1.0 && u <= static_cast<double>(width)) {
            v = std::clamp(v, 0.0, static_cast<double>(height - 1));
            u = std::clamp(u, 0.0, static_cast<double>(width - 1));
            const auto y0 = static_cast<std::int64_t>(v), x0 = static_cast<std::int64_t>(u);
            const std::int64_t y1 = std::min(y0 + 1, height - 1), x1 = std::min(x0 + 1, width - 1);
            const double fy = v - static_cast<double>(y0), fx = u - static_cast<double>(x0);
            const auto at = [&](std::int64_t r, std::int64_t q) { return static_cast<double>(plane[r * width + q]); };
            parts = {(1.0 - fy) * (1.0 - fx) * at(y0, x0), (1.0 - fy) * fx * at(y0, x1), fy * (1.0 - fx) * at(y1, x0),
                     fy * fx * at(y1, x1)};
          }
          const double largest = std::max(std::max(parts[0], parts[1]), std::max(parts[2], parts[3]));
          best = any ? std::max(best, largest) : largest;
          any = true;
          sum += parts[0] + parts[1] + parts[2] + parts[3];
        }
        const double count = static_cast<double>(std::max<std::int64_t>(nh * nw, 1));
        y.as<T>()[p * rows * columns + o] = static_cast<T>(maximum ? best : sum / count);
      }
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
