// SPDX-License-Identifier: Apache-2.0
#include "dsmm/opencv/mat.hpp"

#include <doctest/doctest.h>

TEST_CASE("a matrix and a region of it are seen without a copy") {
  cv::Mat mat(40, 50, CV_8UC3);
  const cv::Mat part = mat(cv::Rect(5, 6, 20, 10));
  const auto whole = dsmm::view_of(mat), roi = dsmm::view_of(part);
  REQUIRE(whole);
  REQUIRE(roi);
  CHECK(whole->data == mat.data);
  CHECK(roi->data == mat.ptr(6) + 5 * 3);
  CHECK(roi->stride == whole->stride);
  CHECK(roi->width == 20);
  CHECK(roi->format == dsmm::pixel_format::bgr);
}

TEST_CASE("what is no 8-bit picture is refused") {
  CHECK(dsmm::view_of(cv::Mat()).error().code == dsmm::errc::invalid_argument);
  CHECK(dsmm::view_of(cv::Mat(4, 4, CV_32FC1)).error().code == dsmm::errc::dtype_mismatch);
}

TEST_CASE("a plane with padded pixels is copied, a dense one is shared") {
  std::uint8_t data[24] = {};
  for (int i = 0; i < 24; ++i) data[i] = static_cast<std::uint8_t>(i);
  const auto shared = dsmm::mat_of({data, {2, 3, 1}, 12, 1}), copied = dsmm::mat_of({data, {2, 3, 1}, 12, 4});
  REQUIRE(shared);
  REQUIRE(copied);
  CHECK(shared->data == data);
  CHECK(copied->data != data);
  CHECK(copied->at<std::uint8_t>(1, 2) == 20);
  CHECK(shared->at<std::uint8_t>(1, 2) == 14);
}
