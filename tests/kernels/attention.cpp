// SPDX-License-Identifier: Apache-2.0
#include "dsmm/kernels/attention.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
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

  /// Scores and probabilities get levels.
  void round(std::int32_t depth, float score, float probability, std::int32_t zero) {
    powers = k::softmax_powers(score);
    f.levels.powers = powers.data();
    f.levels.zero_score = 121;
    f.levels.zero = zero;
    REQUIRE(k::make_rounded_attention_factors(depth, qq, qk, qv, qy, score, probability, f));
  }

  /// Scores get a bias; one of them is far below all others.
  void add_bias(const attention_case& s, bool by_head) {
    bias_by_head = by_head;
    bias.resize(static_cast<std::size_t>((by_head ? s.heads : 1) * s.tq * s.tk));
    dsmm::rng random(6);
    for (auto& e : bias) e = static_cast<std::int32_t>(random.below(20000)) - 10000;
    bias[bias.size() / 2] = -(1 << 29);
  }

  k::attention_call call(const attention_case& s, dsmm::tensor_view<std::uint8_t> y) const {
    return {dsmm::dense_view(q.data(), {s.tq, 1, s.depth}),
            dsmm::dense_view(key.data(), {s.tk, 1, s.depth}),
            dsmm::dense_view(v.data(), {s.tk, 1, s.depth}),
            y,
            f,
            bias.empty() ? nullptr : bias.data(),
            bias_by_head};
  }

  /// All rows, `at_once` of them by one call; memory that the kernel did not ask for stays as it is.
  void run(const k::attention_kernel& kernel, const attention_case& s, dsmm::tensor_view<std::uint8_t> y,
           std::int32_t at_once) const {
    const k::attention_call c = call(s, y);
    memory packed(kernel.packed_bytes(c)), scratch(kernel.scratch_bytes(c));
    for (std::int32_t head = 0; head < s.heads; ++head) kernel.pack(c, head, packed.begin());
    for (std::int32_t head = 0; head < s.heads; ++head)
      for (std::int32_t i = 0; i < s.tq; i += at_once)
        kernel.rows(c, head, i, std::min(i + at_once, s.tq), packed.begin(), scratch.begin());
    CHECK(packed.fence_stands());
    CHECK(scratch.fence_stands());
  }

  /// Aligned bytes with a fence of others behind them.
  struct memory {
    explicit memory(std::size_t n) : size(n), bytes(n + 128, std::byte{0x5A}) {}
    std::byte* begin() { return bytes.data() + (64 - reinterpret_cast<std::uintptr_t>(bytes.data()) % 64) % 64; }
    bool fence_stands() {
      return std::all_of(begin() + size, bytes.data() + bytes.size(), [](std::byte b) { return b == std::byte{0x5A}; });
    }
    std::size_t size;
    std::vector<std::byte> bytes;
  };

  std::vector<std::uint8_t> q, key, v;
  std::vector<std::int8_t> r;
  std::vector<std::int32_t> rb, bias;
  bool bias_by_head = false;
  std::array<std::int32_t, 256> powers{};
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
    double dot =
        a.bias.empty() ? 0.0 : a.bias[static_cast<std::size_t>(((a.bias_by_head ? head : 0) * s.tq + i) * s.tk + j)];
    dot += s.rb ? a.rb[static_cast<std::size_t>(head * s.distances + row)] : 0.0;
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
    a.run(k::attention_kernel_of<k::attention_impl::generic>, s, y.view, 1);
    double worst = 0.0;
    for (std::int32_t i = 0; i < s.tq; ++i)
      for (std::int32_t c = 0; c < s.depth; ++c)
        worst = std::max(worst, std::fabs(y.view.at(i, 0)[c] - exact(s, a, i, c)));
    CHECK(worst < 0.8);
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
  a.run(k::attention_kernel_of<k::attention_impl::generic>, s, dsmm::dense_view(y.data(), {6, 1, 8}), 6);
  CHECK(std::all_of(y.begin(), y.begin() + 24, [](std::uint8_t v) { return v == 100; }));
  CHECK_FALSE(std::all_of(y.begin() + 24, y.end(), [](std::uint8_t v) { return v == 100; }));
}

namespace {

/// Every variant that takes the data against the specification; hash of the bits.
std::uint64_t check_variants(const attention_case& s, const attention_data& a, std::uint64_t hash) {
  CAPTURE(s.tq);
  CAPTURE(s.tk);
  golden::guarded<std::uint8_t> expected({s.tq, 1, s.depth}, (s.depth + 3) / 4 * 4, 5);
  a.run(k::attention_kernel_of<k::attention_impl::generic>, s, expected.view, 3);
  k::attention_variants::for_each([&]<class V>(std::type_identity<V>) {
    CAPTURE(dsmm::to_string(V::required));
    if (!dsmm::has_isa(V::required) || !V::takes(a.call(s, expected.view))) return;
    for (const std::int32_t at_once : {1, 5, 6, 48}) {
      golden::guarded<std::uint8_t> y({s.tq, 1, s.depth}, (s.depth + 3) / 4 * 4, 5);
      a.run(k::attention_kernel_of<V>, s, y.view, at_once);
      CHECK(y.buffer == expected.buffer);
    }
  });
  return golden::hash(expected.buffer, hash);
}

std::uint64_t check_variants(const attention_case& s, std::uint64_t hash) {
  return check_variants(s, attention_data(s), hash);
}

}  // namespace

TEST_CASE("every variant gives the bits of the specification, whatever rows a call takes") {
  std::uint64_t hash = 0;
  for (const attention_case& s : {attention_case{6, 1, 64, 1, 0, false, false, false},
                                  {7, 33, 64, 1, 0, false, false, false},
                                  {13, 197, 384, 6, 0, false, false, false},
                                  {20, 70, 36, 2, 0, false, false, false},
                                  {9, 64, 10, 1, 0, false, false, false},
                                  {12, 31, 160, 2, 0, true, false, false},
                                  {40, 9, 96, 3, 0, true, false, false},
                                  {6, 300, 28, 4, 0, false, false, false},
                                  {8, 40, 16, 2, 9, true, true, true}})
    hash = check_variants(s, hash);
  golden::check("attention.heads", hash);
}

TEST_CASE("every variant gives the bits of the specification for many queries, deep heads and causal layers") {
  for (const attention_case& s : {attention_case{33, 197, 384, 6, 0, false, false, false},
                                  {48, 130, 160, 2, 0, false, false, false},
                                  {16, 64, 66, 1, 0, false, false, false},
                                  {21, 77, 96, 2, 0, true, false, false},
                                  {100, 40, 64, 4, 0, true, false, false},
                                  {64, 1, 260, 1, 0, false, false, false}})
    check_variants(s, 0);
}

TEST_CASE("every variant gives the bits of the specification where scores and probabilities have levels") {
  std::uint64_t hash = 0;
  for (const attention_case& s : {attention_case{6, 1, 64, 1, 0, false, false, false},
                                  {13, 197, 384, 6, 0, false, false, false},
                                  {20, 70, 36, 2, 0, false, false, false},
                                  {9, 64, 10, 1, 0, false, false, false},
                                  {40, 9, 96, 3, 0, true, false, false},
                                  {8, 40, 16, 2, 9, true, true, true}})
    for (const float score : {0.0011f, 0.1f, 3.0f})  // the first factor of all is above 1/4, scores saturate
      for (const std::int32_t zero : {0, 5}) {
        attention_data a(s);
        a.round(s.depth, score, zero == 0 ? 1.0f / 255.0f : 0.0005f, zero);
        hash = check_variants(s, a, hash);
      }
  golden::check("attention.levels", hash);
}

TEST_CASE("a bias is added to scores: near real arithmetic, the same bits by every variant") {
  std::uint64_t hash = 0;
  for (const attention_case& s : {attention_case{6, 1, 64, 1, 0, false, false, false},
                                  {49, 49, 96, 3, 0, false, false, false},
                                  {13, 33, 36, 2, 0, true, false, false},
                                  {5, 20, 8, 2, 3, true, true, true}})
    for (const bool by_head : {true, false}) {
      attention_data a(s);
      a.add_bias(s, by_head);
      std::vector<std::uint8_t> y(static_cast<std::size_t>(s.tq * s.depth));
      a.run(k::attention_kernel_of<k::attention_impl::generic>, s, dsmm::dense_view(y.data(), {s.tq, 1, s.depth}), 4);
      double worst = 0.0;
      for (std::int32_t i = 0; i < s.tq; ++i)
        for (std::int32_t c = 0; c < s.depth; ++c)
          worst = std::max(worst, std::fabs(y[static_cast<std::size_t>(i * s.depth + c)] - exact(s, a, i, c)));
      CHECK(worst < 0.8);
      hash = check_variants(s, a, hash);
      a.round(s.depth, 0.1f, 1.0f / 255.0f, 0);
      hash = check_variants(s, a, hash);
    }
  golden::check("attention.bias", hash);
}

TEST_CASE("levels that do not fit are refused") {
  k::attention_factors f;
  CHECK(k::make_rounded_attention_factors(64, qq, qk, qv, qy, 0.02f, 1.0f / 255.0f, f));
  CHECK_FALSE(k::make_rounded_attention_factors(64, qq, qk, qv, qy, 0.0007f, 1.0f / 255.0f, f));
  CHECK_FALSE(k::make_rounded_attention_factors(64, qq, qk, qv, {1e-6f, 0}, 0.02f, 1.0f / 255.0f, f));
  f.heads = 3;
  CHECK_FALSE(k::make_rounded_attention_factors(64, qq, qk, qv, qy, 0.02f, 1.0f / 255.0f, f));
}

TEST_CASE("every variant keeps far scores, ties and the ends of u8") {
  const attention_case s{16, 45, 64, 1, 0, false, false, false};
  attention_data a(s);
  for (const std::uint8_t extreme : {std::uint8_t{0}, std::uint8_t{255}, std::uint8_t{128}}) {
    std::fill(a.q.begin(), a.q.begin() + 256, extreme);
    std::fill(a.key.begin(), a.key.begin() + 640, extreme);
    std::fill(a.key.begin() + 640, a.key.begin() + 1280, static_cast<std::uint8_t>(255 - extreme));
    for (const float scale : {0.4f, 0.03f, 0.0001f}) {  // of scores: one key wins, several do, all do
      const dsmm::quantization q{scale, extreme}, key{0.03f, 3};
      REQUIRE(k::make_attention_factors(s.depth, q, key, qv, qy, a.f));
      std::vector<std::uint8_t> expected(1024), y(1024);
      a.run(k::attention_kernel_of<k::attention_impl::generic>, s, dsmm::dense_view(expected.data(), {16, 1, 64}), 16);
      k::attention_variants::for_each([&]<class V>(std::type_identity<V>) {
        CAPTURE(dsmm::to_string(V::required));
        const auto view = dsmm::dense_view(y.data(), {16, 1, 64});
        if (!dsmm::has_isa(V::required) || !V::takes(a.call(s, view))) return;
        a.run(k::attention_kernel_of<V>, s, view, 16);
        CHECK(y == expected);
      });
    }
  }
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
