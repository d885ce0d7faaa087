// SPDX-License-Identifier: Apache-2.0
// Convolution layers on one core, every variant that this machine has, as a share of what its dot product reaches on
// registers alone in the same run.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <memory>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8.hpp"
#include "dsmm/kernels/dwconv_u8s8.hpp"

namespace {

using namespace dsmm;

/// Processor time of this thread: what other programs take does not count.
double seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// The shortest time of one call of f, over 0.3 s in batches of 0.1 ms.
template <class F>
double best_time(F&& f) {
  f();
  int calls = 1;
  for (double spent = 0.0; spent < 0.0001; calls *= 2) {
    const double start = seconds();
    for (int i = 0; i < calls; ++i) f();
    spent = seconds() - start;
  }
  double best = 1e9;
  for (const double end = seconds() + 0.3; seconds() < end;) {
    const double start = seconds();
    for (int i = 0; i < calls; ++i) f();
    best = std::min(best, (seconds() - start) / calls);
  }
  return best;
}

#if DSMM_X86
/// 12 chains of vpdpbusd on registers; operations done.
DSMM_TARGET("avx512f,avx512vnni")
double dot_avx512vnni() noexcept {
  const __m512i a = _mm512_set1_epi8(3);
  __m512i c0 = a, c1 = a, c2 = a, c3 = a, c4 = a, c5 = a, c6 = a, c7 = a, c8 = a, c9 = a, c10 = a, c11 = a;
  for (int i = 0; i < 4000; ++i) {
    c0 = _mm512_dpbusd_epi32(c0, a, a), c1 = _mm512_dpbusd_epi32(c1, a, a), c2 = _mm512_dpbusd_epi32(c2, a, a);
    c3 = _mm512_dpbusd_epi32(c3, a, a), c4 = _mm512_dpbusd_epi32(c4, a, a), c5 = _mm512_dpbusd_epi32(c5, a, a);
    c6 = _mm512_dpbusd_epi32(c6, a, a), c7 = _mm512_dpbusd_epi32(c7, a, a), c8 = _mm512_dpbusd_epi32(c8, a, a);
    c9 = _mm512_dpbusd_epi32(c9, a, a), c10 = _mm512_dpbusd_epi32(c10, a, a), c11 = _mm512_dpbusd_epi32(c11, a, a);
    asm volatile("" : "+v"(c0), "+v"(c1), "+v"(c2), "+v"(c3), "+v"(c4), "+v"(c5));
    asm volatile("" : "+v"(c6), "+v"(c7), "+v"(c8), "+v"(c9), "+v"(c10), "+v"(c11));
  }
  return 4000.0 * 12 * 64 * 2;
}

/// 8 chains of vpmaddwd and vpaddd.
DSMM_TARGET("avx2")
double dot_avx2() noexcept {
  __m256i a = _mm256_set1_epi16(3);
  __m256i c0 = a, c1 = a, c2 = a, c3 = a, c4 = a, c5 = a, c6 = a, c7 = a;
  for (int i = 0; i < 4000; ++i) {
    const auto dot = [&a](__m256i c) DSMM_TARGET("avx2") {
      asm volatile("" : "+x"(a));  // or the products would be computed once
      return _mm256_add_epi32(c, _mm256_madd_epi16(a, a));
    };
    c0 = dot(c0), c1 = dot(c1), c2 = dot(c2), c3 = dot(c3), c4 = dot(c4), c5 = dot(c5), c6 = dot(c6), c7 = dot(c7);
    asm volatile("" : "+x"(c0), "+x"(c1), "+x"(c2), "+x"(c3), "+x"(c4), "+x"(c5), "+x"(c6), "+x"(c7));
  }
  return 4000.0 * 8 * 16 * 2;
}
#endif

/// Operations per second that the dot product of `level` reaches without memory; 0 where none is written.
double ceiling([[maybe_unused]] isa level) {
#if DSMM_X86
  if (level == isa::x86_avx512vnni) return dot_avx512vnni() / best_time([] { dot_avx512vnni(); });
  if (level == isa::x86_avx2) return dot_avx2() / best_time([] { dot_avx2(); });
#endif
  return 0.0;
}

struct layer {
  const char* name;
  std::int32_t kernel, stride, in, out, height, width;  ///< height, width of the input
  bool depthwise = false;

  extents output() const noexcept { return {(height + stride - 1) / stride, (width + stride - 1) / stride, out}; }
  double operations() const noexcept {
    return 2.0 * static_cast<double>(output().count()) * kernel * kernel * (depthwise ? 1 : in);
  }
};

constexpr layer layers[] = {
    {"3x3 s2 16->32 @256", 3, 2, 16, 32, 256, 256},       {"3x3 s2 32->48 @128", 3, 2, 32, 48, 128, 128},
    {"3x3 s2 48->96 @64", 3, 2, 48, 96, 64, 64},          {"3x3 96->128 @32", 3, 1, 96, 128, 32, 32},
    {"5x5 s2 1->16 @512", 5, 2, 1, 16, 512, 512},         {"linear 64->64, 1 row", 1, 1, 64, 64, 1, 1},
    {"linear 64->64, 8 rows", 1, 1, 64, 64, 8, 1},        {"linear 256->256, 1 row", 1, 1, 256, 256, 1, 1},
    {"depthwise 3x3 64 @64", 3, 1, 64, 64, 64, 64, true}, {"depthwise 3x3 192 @28", 3, 1, 192, 192, 28, 28, true},
};

/// Seconds of one call.
double time_of(const layer& l, isa level) {
  // One channel is stored as it is: the taps of a row are then one run, as the conv2d op does it.
  const bool merged = l.in % 4 != 0;
  const std::int32_t run = merged ? l.in * l.kernel : l.in, pad = l.kernel / 2;
  const kernels::conv_geometry g{l.kernel, merged ? 1 : l.kernel, l.stride, l.stride, 1, 1,
                                 run,      (run + 3) / 4 * 4,     l.out};
  const std::ptrdiff_t x_row = std::ptrdiff_t{l.width + 2 * pad} * l.in;

  rng random(1);
  std::vector<std::uint8_t> x(static_cast<std::size_t>(x_row * (l.height + 2 * pad) + 3));
  for (auto& v : x) v = static_cast<std::uint8_t>(random.below(256));
  std::vector<std::int8_t> w8(static_cast<std::size_t>(l.out * l.kernel * l.kernel * (l.depthwise ? 1 : l.in)));
  for (auto& v : w8) v = static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
  std::vector<std::uint8_t> y(static_cast<std::size_t>(l.output().count()));
  const auto channels = kernels::packed_channels(g);
  const std::vector<std::int32_t> bias(channels), multiplier(channels, 1 << 30), shift(channels, 43);
  const kernels::conv_epilogue e{bias.data(), multiplier.data(), shift.data(), nullptr, 128};

  std::vector<std::byte> memory((l.depthwise ? kernels::dw_pack_bytes : kernels::conv_pack_bytes)(g, level) + 64);
  void* at = memory.data();
  std::size_t space = memory.size();
  auto* const aligned = static_cast<std::byte*>(std::align(64, 1, at, space));
  const kernels::conv_packed p =
      (l.depthwise ? kernels::dw_pack : kernels::conv_pack)(g, level, w8.data(), x_row, l.in, aligned);
  const tensor_view<const std::uint8_t> in{x.data(), {l.height, l.width, l.in}, x_row, l.in};
  const tensor_view<std::uint8_t> out = dense_view(y.data(), l.output());
  const auto rows = l.depthwise ? kernels::dw_rows_u8 : kernels::conv_rows_u8;
  return best_time([&] { rows(p, e, in, out, 0, out.shape.h); });
}

}  // namespace

int main() {
  kernels::conv_variants::for_each([]<class V>(std::type_identity<V>) {
    if (!has_isa(V::required)) return std::printf("%s: not on this machine\n", to_string(V::required)), void();
    const double most = ceiling(V::required);
    std::printf("%s: ", to_string(V::required));
    if (most > 0.0) std::printf("dot product on registers %.0f GOP/s", most / 1e9);
    std::printf("\n");
    for (const layer& l : layers) {
      const double time = time_of(l, V::required), speed = l.operations() / time;
      std::printf("  %-24s %9.2f us  %7.1f GOP/s", l.name, time * 1e6, speed / 1e9);
      if (most > 0.0) std::printf("  %3.0f %%", 100.0 * speed / most);
      std::printf("\n");
    }
  });
}
