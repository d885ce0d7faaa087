// SPDX-License-Identifier: Apache-2.0
#include "dsmm/inspect/frame_check.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

TEST_CASE("check_frame: every byte of both planes of NV12 counts in the fingerprint, what lies behind a row does not") {
  constexpr std::int32_t w = 5, h = 3, stride = 8;
  std::vector<std::uint8_t> luma(stride * h, 90), chroma(stride * 2, 128);
  const dsmm::frame_view f{luma.data(), w, h, stride, dsmm::pixel_format::nv12, chroma.data(), stride};
  const dsmm::frame_health before = dsmm::check_frame(f);
  CHECK(before.mean == 90);
  const auto differs = [&](std::uint8_t& byte) {
    ++byte;
    const bool different = dsmm::check_frame(f).fingerprint != before.fingerprint;
    --byte;
    return different;
  };
  for (std::size_t i = 0; i < luma.size(); ++i) CHECK(differs(luma[i]) == (i % stride < w));
  for (std::size_t i = 0; i < chroma.size(); ++i) CHECK(differs(chroma[i]) == (i % stride < w + 1));
  CHECK(dsmm::check_frame(f).fingerprint == before.fingerprint);
}
