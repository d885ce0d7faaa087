// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/requantize.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "dsmm/core/rng.hpp"

using namespace dsmm;
using namespace dsmm::kernels;

namespace {

/// Channels with every shift and the extreme multipliers, and one accumulator each.
struct rescale_case {
  std::vector<std::int32_t> acc, bias, multiplier, shift;
  conv_epilogue epilogue{};

  void add(std::int32_t a, std::int32_t b, std::int32_t m, std::int32_t s) {
    acc.push_back(a), bias.push_back(b), multiplier.push_back(m), shift.push_back(s);
  }
  std::size_t size() const { return acc.size(); }

  /// All of it with this zero point, then with bounds that leave the lower and then the upper side no room.
  void check_bounds(std::int32_t zero_point) {
    epilogue.zero_point = zero_point;
    check(size());
    epilogue.low = zero_point;
    check(size());
    epilogue.high = zero_point;
    check(size());
  }

  /// Runs every variant on the first n channels.
  void check(std::size_t n) {
    for (auto* v : {&bias, &multiplier, &shift}) v->resize((acc.size() + 15) / 16 * 16, v == &shift ? 31 : 0);
    epilogue.bias = bias.data(), epilogue.multiplier = multiplier.data(), epilogue.shift = shift.data();
    std::vector<std::uint8_t> expected(n + 16, 77);
    for (std::size_t o = 0; o < n; ++o) {
      const std::int64_t sum = std::int64_t{acc[o]} + bias[o];
      const std::int64_t rounded = (sum * multiplier[o] + (std::int64_t{1} << (shift[o] - 1))) >> shift[o];
      const std::int64_t v = rounded + epilogue.zero_point;
      expected[o] = static_cast<std::uint8_t>(v < epilogue.low ? epilogue.low : v > epilogue.high ? epilogue.high : v);
    }
    requantize_variants::for_each([&]<class V>(std::type_identity<V>) {
      if (!has_isa(V::required)) return;
      CAPTURE(to_string(V::required));
      const std::vector<std::int32_t> exact(acc.begin(), acc.begin() + static_cast<std::ptrdiff_t>(n));
      std::vector<std::uint8_t> out(n + 16, 77);
      V::run(exact.data(), n, epilogue, out.data());
      CHECK(out == expected);
    });
  }
};

constexpr std::int32_t largest = std::numeric_limits<std::int32_t>::max();
constexpr std::int32_t smallest = std::numeric_limits<std::int32_t>::min();

}  // namespace

TEST_CASE("requantize agrees at the ends of every range") {
  for (const std::int32_t zero_point : {0, 1, 128, 255}) {
    rescale_case c;
    for (std::int32_t s = 31; s <= 62; ++s)
      for (const std::int32_t m : {1 << 30, (1 << 30) + 1, largest - 1, largest})
        for (const std::int32_t a : {smallest, smallest + 1, -1, 0, 1, largest - 1, largest}) c.add(a, 0, m, s);
    c.check_bounds(zero_point);
  }
}

TEST_CASE("requantize sends ties up") {
  // multiplier 2^30: value / 2^(shift - 30), so odd multiples of half of that are ties.
  for (const std::int32_t zero_point : {0, 100}) {
    rescale_case c;
    for (std::int32_t s = 31; s <= 52; ++s)
      for (std::int32_t k = -301; k <= 301; ++k)
        for (std::int32_t near = -1; near <= 1; ++near) c.add(k * (1 << (s - 31)) + near, 0, 1 << 30, s);
    c.epilogue.zero_point = zero_point;
    c.check(c.size());
  }
  CHECK(requantize(1, {1 << 30, 31}) == 1);    //  0.5 -> 1
  CHECK(requantize(-1, {1 << 30, 31}) == 0);   // -0.5 -> 0
  CHECK(requantize(3, {1 << 30, 31}) == 2);    //  1.5 -> 2
  CHECK(requantize(-3, {1 << 30, 31}) == -1);  // -1.5 -> -1
}

TEST_CASE("requantize agrees on random channels, for every count") {
  rng random(1);
  for (std::size_t n = 0; n <= 70; ++n) {
    rescale_case c;
    for (std::size_t o = 0; o < 80; ++o) {
      const auto shift = static_cast<std::int32_t>(31 + random.below(32));
      c.add(static_cast<std::int32_t>(random.u32()) >> random.below(20),
            static_cast<std::int32_t>(random.below(2000)) - 1000,
            static_cast<std::int32_t>((1u << 30) + random.below(1u << 30)), shift);
    }
    c.epilogue.zero_point = static_cast<std::int32_t>(random.below(256));
    for (std::size_t o = 0; o < 80; ++o)  // acc + bias stays within s32
      if (c.acc[o] > largest - 1000 || c.acc[o] < smallest + 1000) c.acc[o] = 0;
    c.check(n);
  }
}

TEST_CASE("sums and multipliers of 24 bits: f32 gives the same bits, ties included") {
  rng random(2);
  for (const std::int32_t zero_point : {0, 1, 131, 255})
    for (std::int32_t s = 33; s <= 62; ++s) {
      rescale_case c;
      for (std::int32_t i = 0; i < 2000; ++i) {
        const std::int32_t m =
            i % 4 == 0 ? 1 << 30 : static_cast<std::int32_t>((1u << 30) + random.below(1u << 23) * 128);
        // Every second one is a tie of a power of two, or next to it; the others lie anywhere.
        const std::int64_t half = std::int64_t{1} << (s - 31);
        std::int64_t sum = i % 2 == 0 ? half * (2 * static_cast<std::int32_t>(random.below(600)) - 599) + i % 3 - 1
                                      : static_cast<std::int32_t>(random.below(1u << 25)) - (1 << 24);
        while (!fits_float(sum, sum, {m, s})) sum /= 2;
        const auto bias = static_cast<std::int32_t>(random.below(1000));
        c.add(static_cast<std::int32_t>(sum) - bias, bias, m, s);
      }
      c.epilogue.by_float = true;
      c.check_bounds(zero_point);
    }
}

TEST_CASE("what f32 may not scale") {
  const fixed_point f{1 << 30, 41};
  CHECK(fits_float(-(1 << 24), 1 << 24, f));
  CHECK(!fits_float(-(1 << 24) - 1, 0, f));
  CHECK(!fits_float(0, (1 << 24) + 1, f));
  CHECK(!fits_float(0, 1, {(1 << 30) + 64, 41}));  // 25 bits
  CHECK(!fits_float(0, 1, {1 << 30, 32}));
  CHECK(fits_float(-127'999, 127'999, {1 << 30, 33}));
  CHECK(!fits_float(0, 128'000, {1 << 30, 33}));
}
