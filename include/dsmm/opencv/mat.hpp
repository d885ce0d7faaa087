// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <opencv2/core.hpp>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/inspect/frame_view.hpp"

namespace dsmm::inline DSMM_ABI {

/// A frame in a cv::Mat, not copied: CV_8UC1, CV_8UC3 (BGR) or CV_8UC4 (BGRx), any row stride; a region of interest is
/// fine. The view holds as long as the matrix's memory. Errors: dtype_mismatch, invalid_argument (empty or not 2-D).
inline result<frame_view> view_of(const cv::Mat& mat) noexcept {
  if (mat.empty() || mat.dims != 2) return failure{errc::invalid_argument, "the matrix holds no picture"};
  frame_view v{mat.data, mat.cols, mat.rows, static_cast<std::ptrdiff_t>(mat.step[0]), pixel_format::gray8};
  switch (mat.type()) {
    case CV_8UC1: return v;
    case CV_8UC3: v.format = pixel_format::bgr; return v;
    case CV_8UC4: v.format = pixel_format::bgrx; return v;
    default:
      return failure{errc::dtype_mismatch, "the matrix is not 8-bit with one, three or four channels: convertTo"};
  }
}

/// A heat map or another u8 plane as a cv::Mat: on the same memory if its pixels lie side by side, else a copy.
/// Errors: shape_mismatch (no data, or more than one channel).
inline result<cv::Mat> mat_of(tensor_view<const std::uint8_t> plane) {
  if (plane.data == nullptr || plane.shape.c != 1) return failure{errc::shape_mismatch, "not a plane of one channel"};
  if (plane.pixel == 1)
    return cv::Mat(plane.shape.h, plane.shape.w, CV_8UC1, const_cast<std::uint8_t*>(plane.data),
                   static_cast<std::size_t>(plane.row));
  cv::Mat copy(plane.shape.h, plane.shape.w, CV_8UC1);
  for (int y = 0; y < plane.shape.h; ++y)
    for (int x = 0; x < plane.shape.w; ++x) copy.at<std::uint8_t>(y, x) = *plane.at(y, x);
  return copy;
}

}  // namespace dsmm::inline DSMM_ABI
