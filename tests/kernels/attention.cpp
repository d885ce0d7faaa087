// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/attention.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/kernels/golden.hpp"

namespace k = dsmm::kernels;

namespace {

constexpr dsmm::quantization qq{0.03f, 120}, qk{0.025f, 131}, qv{0.04f, 90}, qy{0.035f, 100};

struct attention_case {
  std::int32_t tq, tk, depth, heads, distances;
  bool causal, r, rb;
};

struct attention_data {
  explicit attention_data(const attention_case& s)
      : q(golden::random_u8(static_cast<std::size_t>(s.tq * s.depth), 1)),
        key(golden::random_u8(static_cast<std::size_t>(s.tk * s.depth), 2)),
        v(golden::random_u8(static_cast<std::size_t>(s.tk * s.depth), 3)),
        r(static_cast<std::size_t>(s.distances * s.depth)),
        rb(static_cast<std::size_t>(s.distances * s.heads)) {
    dsmm::rng random(4);
    for (auto& e : r) e = static_cast<std::int8_t>(static_cast<int>(random.below(256)) - 128);
    for (auto& e : rb) e = static_cast<std::int32_t>(random.below(20000)) - 10000;
    f.heads = s.heads;
    f.causal = s.causal;
    f.distances = s.distances;
    f.r = s.r ? r.data() : nullptr;
    f.rb = s.rb ? rb.data() : nullptr;
    REQUIRE(k::make_attention_factors(s.depth, qq, qk, qv, qy, f));
  }
  std::vector<std::uint8_t> q, key, v;
  std::vector<std::int8_t> r;
  std::vector<std::int32_t> rb;
  k::attention_factors f;
};

/// One output from real numbers alone.
double exact(const attention_case& s, const attention_data& a, std::int32_t i, std::int32_t c) {
  const std::int32_t dh = s.depth / s.heads, head = c / dh;
  double total = 0.0, sum = 0.0;
  std::vector<double> logits;
  std::vector<std::int32_t> keys;
  for (std::int32_t j = 0; j < s.tk; ++j) {
    const std::int32_t dist = (s.tk - 1 - j) - (s.tq - 1 - i);
    if (s.causal && dist < 0) continue;
    const std::int32_t row = std::clamp(dist, 0, std::max(s.distances - 1, 0));
    double dot = s.rb ? a.rb[static_cast<std::size_t>(head * s.distances + row)] : 0.0;
    for (std::int32_t d = head * dh; d < (head + 1) * dh; ++d) {
      const int key = a.key[static_cast<std::size_t>(j * s.depth + d)] - qk.zero_point;
      const int r = s.r ? a.r[static_cast<std::size_t>(row * s.depth + d)] : 0;
      dot += (a.q[static_cast<std::size_t>(i * s.depth + d)] - qq.zero_point) * (key + r);
    }
    logits.push_back(dot * static_cast<double>(qq.scale) * static_cast<double>(qk.scale) / std::sqrt(dh));
    keys.push_back(j);
  }
  if (logits.empty()) return qy.zero_point;
  const double top = *std::max_element(logits.begin(), logits.end());
  for (std::size_t n = 0; n < keys.size(); ++n) {
    const double e = std::exp(logits[n] - top);
    total += e;
    sum += e * (a.v[static_cast<std::size_t>(keys[n] * s.depth + c)] - qv.zero_point);
  }
  return std::clamp(sum / total * static_cast<double>(qv.scale) / static_cast<double>(qy.scale) + qy.zero_point, 0.0,
                    255.0);
}

}  // namespace

TEST_CASE("attention is within 0.8 steps of real arithmetic, for every combination of options") {
  std::uint64_t hash = 0;
  for (const attention_case& s : {attention_case{1, 1, 4, 1, 0, false, false, false},
                                  {4, 37, 64, 4, 40, true, true, true},
                                  {3, 128, 64, 2, 20, false, true, true},
                                  {1, 128, 64, 4, 128, true, false, true},
                                  {5, 9, 12, 3, 4, true, true, false},
                                  {8, 70, 6, 1, 0, false, false, false},
                                  {6, 3, 8, 2, 3, true, true, true}}) {
    const attention_data a(s);
    golden::guarded<std::uint8_t> y({s.tq, 1, s.depth}, (s.depth + 3) / 4 * 4, 5);
    std::vector<std::int32_t> scratch(k::attention_scratch_bytes(s.tk, s.depth / s.heads) / 4 + 1, 0x5A5A'5A5A);
    for (std::int32_t i = 0; i < s.tq; ++i)
      k::attention(dsmm::dense_view(a.q.data(), {s.tq, 1, s.depth}), dsmm::dense_view(a.key.data(), {s.tk, 1, s.depth}),
                   dsmm::dense_view(a.v.data(), {s.tk, 1, s.depth}), a.f, y.view, i, i + 1,
                   reinterpret_cast<std::byte*>(scratch.data()));
    double worst = 0.0;
    for (std::int32_t i = 0; i < s.tq; ++i)
      for (std::int32_t c = 0; c < s.depth; ++c)
        worst = std::max(worst, std::fabs(y.view.at(i, 0)[c] - exact(s, a, i, c)));
    CHECK(worst < 0.8);
    CHECK(scratch.back() == 0x5A5A'5A5A);
    CHECK(y.halo_untouched());
    CHECK(y.padding_is(100));
    hash = golden::hash(y.buffer, hash);
  }
  golden::check("attention", hash);
}

TEST_CASE("a causal query without any key yields the zero point") {
  const attention_case s{6, 3, 8, 2, 3, true, true, true};
  const attention_data a(s);
  std::vector<std::uint8_t> y(48);
  std::vector<std::int32_t> scratch(64);
  k::attention(dsmm::dense_view(a.q.data(), {6, 1, 8}), dsmm::dense_view(a.key.data(), {3, 1, 8}),
               dsmm::dense_view(a.v.data(), {3, 1, 8}), a.f, dsmm::dense_view(y.data(), {6, 1, 8}), 0, 6,
               reinterpret_cast<std::byte*>(scratch.data()));
  CHECK(std::all_of(y.begin(), y.begin() + 24, [](std::uint8_t v) { return v == 100; }));
  CHECK_FALSE(std::all_of(y.begin() + 24, y.end(), [](std::uint8_t v) { return v == 100; }));
}

TEST_CASE("constants that do not fit are refused") {
  k::attention_factors f;
  f.heads = 3;
  CHECK_FALSE(k::make_attention_factors(64, qq, qk, qv, qy, f));
  f.heads = 1;
  CHECK_FALSE(k::make_attention_factors(64, {1.0f, 0}, {1.0f, 0}, qv, qy, f));
  CHECK_FALSE(k::make_attention_factors(8192, qq, qk, qv, qy, f));
  CHECK(k::make_attention_factors(64, qq, qk, qv, qy, f));
}
