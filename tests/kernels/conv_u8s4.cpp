// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/conv_u8s4.hpp"

#include <doctest/doctest.h>

#include "tests/kernels/conv_case.hpp"
#include "tests/kernels/golden.hpp"

using namespace dsmm;
using namespace dsmm::kernels;

namespace {

/// A convolution whose weights are nibbles times scales.
struct nibble_case {
  conv_case conv;
  std::vector<std::uint8_t> scales;
  std::int32_t group = 0;

  /// New nibbles; of 16 blocks of 4 inputs x 16 outputs, `zeros` become zero.
  void fill(rng& r, std::int32_t new_group, std::uint32_t zeros) {
    group = new_group;
    conv.fill(r);
    const conv_geometry& g = conv.geometry;
    const std::int32_t depth = g.kernel_h * g.kernel_w * g.in_channels;
    const std::int32_t runs = group == 0 ? 0 : (depth + group - 1) / group;
    scales.resize(static_cast<std::size_t>(g.out_channels * runs));
    for (auto& s : scales) s = static_cast<std::uint8_t>(1 + r.below(16));
    std::vector<bool> zero(static_cast<std::size_t>((depth / 4 + 1) * (g.out_channels / 16 + 1)));
    for (std::size_t i = 0; i < zero.size(); ++i) zero[i] = r.below(16) < zeros;
    for (std::int32_t o = 0; o < g.out_channels; ++o)
      for (std::int32_t k = 0; k < depth; ++k) {
        const int scale = group == 0 ? 16 : scales[static_cast<std::size_t>(o * runs + k / group)];
        const bool pruned = zero[static_cast<std::size_t>(o / 16 * (depth / 4 + 1) + k / 4)];
        conv.w8[static_cast<std::size_t>(o * depth + k)] =
            static_cast<std::int8_t>(pruned ? 0 : (static_cast<int>(r.below(16)) - 8) * scale);
      }
  }
};

template <class T>
golden::guarded<T> run(const conv_case& c, const conv_packed& p) {
  golden::guarded<T> y(c.y_shape(), sizeof(T) == 1 ? c.y_pixel() : c.geometry.out_channels, T(77));
  if constexpr (sizeof(T) == 1) conv_rows_u8(p, c.epilogue(), c.x_view(), y.view, 0, c.out_h);
  else conv_rows_f32(p, c.epilogue(), c.x_view(), y.view, 0, c.out_h);
  CHECK(y.halo_untouched());
  return y;
}

/// Every variant with nibbles and with bytes against the generic one with bytes.
void check_as_it_is(const nibble_case& n) {
  const conv_case& c = n.conv;
  const conv_weights w{c.w8.data(), n.scales.data(), n.group};
  CAPTURE(n.group);
  CAPTURE(c.text());
  REQUIRE(nibbles_fit(c.geometry, n.group));
  aligned_bytes bytes(conv_pack_bytes(c.geometry, isa::generic));
  const conv_packed p = conv_pack(c.geometry, isa::generic, c.w8.data(), c.x_row, c.x_pixel, bytes.data());
  const auto expected_u8 = run<std::uint8_t>(c, p);
  const auto expected_f32 = run<float>(c, p);
  const auto same = [&](const conv_packed& q) {
    CHECK(run<std::uint8_t>(c, q).buffer == expected_u8.buffer);
    CHECK(run<float>(c, q).buffer == expected_f32.buffer);
  };
  conv_s4_variants::for_each([&]<class V>(std::type_identity<V>) {
    if (!has_isa(V::required)) return;
    CAPTURE(to_string(V::required));
    aligned_bytes memory(conv_s4_pack_bytes(c.geometry, n.group, V::required));
    same(conv_s4_pack(c.geometry, V::required, w, c.x_row, c.x_pixel, memory.data()));
    CHECK(memory.guards_intact());
  });
  conv_variants::for_each([&]<class V>(std::type_identity<V>) {
    if (!has_isa(V::required)) return;
    CAPTURE(to_string(V::required));
    aligned_bytes memory(conv_pack_bytes(c.geometry, V::required));
    same(conv_pack(c.geometry, V::required, c.w8.data(), c.x_row, c.x_pixel, memory.data()));
    CHECK(memory.guards_intact());
  });
}

void check(const nibble_case& n) {
  check_as_it_is(n);
  check_as_it_is({n.conv.in_float(false), n.scales, n.group});
  check_as_it_is({n.conv.in_float(true), n.scales, n.group});
}

}  // namespace

TEST_CASE("nibbles without groups give the bits of the expanded weights, dense and pruned") {
  rng random(11);
  for (int i = 0; i < 120; ++i) {
    nibble_case n;
    n.conv = conv_case::random(random);
    n.fill(random, 0, i % 3 == 0 ? 0 : random.below(16));
    check(n);
  }
}

TEST_CASE("nibbles in groups with scales of 1 to 16") {
  rng random(12);
  for (int i = 0; i < 120; ++i) {
    nibble_case n;
    n.conv = conv_case::random(random);
    n.conv.geometry.in_channels = 4 * static_cast<std::int32_t>(1 + random.below(24));
    n.conv.geometry.kernel_h = 1 + i % 3;
    n.conv.geometry.kernel_w = 1 + i % 2;
    n.fill(random, 32 << i % 3, i % 2 == 0 ? 0 : random.below(16));
    check(n);
  }
}

TEST_CASE("nibbles: every width of a line, and every channel count") {
  rng random(13);
  for (std::int32_t i = 1; i <= 70; ++i) {
    nibble_case n;
    n.conv.geometry = {1 + i % 3, 1 + i % 2, 1 + i % 2, 1, 1, 1, 8 + i % 5 * 4, 0, i};
    n.conv.out_h = 1 + i % 4;
    n.conv.out_w = 71 - i;
    n.fill(random, i % 2 * 32, static_cast<std::uint32_t>(i % 4));
    check(n);
  }
}

TEST_CASE("nibbles: small images of many channels, whose lines a kernel may join") {
  rng random(17);
  for (std::int32_t i = 0; i < 40; ++i) {
    nibble_case n;
    const std::int32_t kernel = 1 + i % 3;
    n.conv.geometry = {kernel, kernel, 1 + i / 20, 1 + i / 20, 1, 1, 64 << i % 2, 0, 10 + i * 3 % 50};
    n.conv.out_h = 1 + i % 8;
    n.conv.out_w = 1 + i * 3 % 11;
    n.fill(random, i % 4 == 0 ? 0 : 64 << i % 2, i % 5 == 0 ? 12 : 0);
    check(n);
  }
}

TEST_CASE("nibbles: vectors and long sums") {
  rng random(14);
  for (std::int32_t rows = 1; rows <= 17; ++rows) {
    nibble_case n;
    n.conv.geometry = {1, 1, 1, 1, 1, 1, 1024, 0, 80};
    n.conv.out_h = rows;
    n.conv.out_w = 1;
    n.fill(random, rows % 3 == 0 ? 128 : rows % 3 == 1 ? 0 : 64, static_cast<std::uint32_t>(rows % 2 * 12));
    check(n);
  }
}

TEST_CASE("all products of u8 and a nibble times any scale are exact, and so are the largest sums") {
  for (const int scale : {1, 2, 3, 5, 7, 8, 11, 13, 15, 16}) {
    nibble_case n;
    n.conv.geometry = {1, 1, 1, 1, 1, 1, 64, 0, 64};
    n.conv.out_w = 256;
    rng random(15);
    n.fill(random, 64, 0);
    for (auto& s : n.scales) s = static_cast<std::uint8_t>(scale);
    for (std::int32_t o = 0; o < 64; ++o)
      for (std::int32_t k = 0; k < 64; ++k)
        n.conv.w8[static_cast<std::size_t>(o * 64 + k)] = static_cast<std::int8_t>((k == 0   ? o % 16 - 8
                                                                                    : o < 16 ? 0
                                                                                    : o < 32 ? -8
                                                                                             : 7) *
                                                                                   scale);
    for (std::size_t x = 0; x < 256; ++x)
      for (std::size_t i = 0; i < 64; ++i) n.conv.x[x * 64 + i] = static_cast<std::byte>(i == 0 ? x : 255);
    check(n);
  }
}

TEST_CASE("a pruned layer has shorter lists, and a layer of zeros none") {
  rng random(16);
  nibble_case n;
  n.conv.geometry = {3, 3, 1, 1, 1, 1, 32, 0, 64};
  n.fill(random, 0, 16);
  check(n);
  n.fill(random, 0, 8);
  aligned_bytes memory(conv_s4_pack_bytes(n.conv.geometry, 0, best_isa()));
  const conv_packed p =
      conv_s4_pack(n.conv.geometry, best_isa(), {n.conv.w8.data()}, n.conv.x_row, n.conv.x_pixel, memory.data());
  for (std::int32_t i = 0; i < p.panel_count; ++i) CHECK(p.panels[i].quads < n.conv.geometry.quads());
}

TEST_CASE("which weights can stay nibbles") {
  conv_geometry g{3, 3, 1, 1, 1, 1, 6, 8, 16};
  CHECK(nibbles_fit(g, 0));
  CHECK(!nibbles_fit(g, 32));
  g.in_channels = 8;
  CHECK(nibbles_fit(g, 32));
  CHECK(!nibbles_fit(g, 24));
  CHECK(!keep_nibbles(g, 24, 1, best_isa()));
}
