// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/stopwatch.hpp"
#include "dsmm/isa/isa.hpp"
#if DSMM_X86
#include <immintrin.h>
#endif

/// What this machine can do at most: dot products on registers alone, and bytes read per second.
namespace ceiling {

#if DSMM_X86
/// 12 chains of vpdpbusd on registers; operations done.
DSMM_TARGET("avx512f,avx512vnni")
inline double dot_avx512vnni() noexcept {
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

/// 12 chains of vfmadd231ps.
DSMM_TARGET("avx512f")
inline double fma_avx512() noexcept {
  const __m512 a = _mm512_set1_ps(0.5f);
  __m512 c0 = a, c1 = a, c2 = a, c3 = a, c4 = a, c5 = a, c6 = a, c7 = a, c8 = a, c9 = a, c10 = a, c11 = a;
  for (int i = 0; i < 4000; ++i) {
    c0 = _mm512_fmadd_ps(c0, a, a), c1 = _mm512_fmadd_ps(c1, a, a), c2 = _mm512_fmadd_ps(c2, a, a);
    c3 = _mm512_fmadd_ps(c3, a, a), c4 = _mm512_fmadd_ps(c4, a, a), c5 = _mm512_fmadd_ps(c5, a, a);
    c6 = _mm512_fmadd_ps(c6, a, a), c7 = _mm512_fmadd_ps(c7, a, a), c8 = _mm512_fmadd_ps(c8, a, a);
    c9 = _mm512_fmadd_ps(c9, a, a), c10 = _mm512_fmadd_ps(c10, a, a), c11 = _mm512_fmadd_ps(c11, a, a);
    asm volatile("" : "+v"(c0), "+v"(c1), "+v"(c2), "+v"(c3), "+v"(c4), "+v"(c5));
    asm volatile("" : "+v"(c6), "+v"(c7), "+v"(c8), "+v"(c9), "+v"(c10), "+v"(c11));
  }
  return 4000.0 * 12 * 16 * 2;
}

/// 12 chains of vpmaddwd and vpaddd.
DSMM_TARGET("avx512f,avx512bw")
inline double dot_avx512bw() noexcept {
  __m512i a = _mm512_set1_epi16(3);
  __m512i c0 = a, c1 = a, c2 = a, c3 = a, c4 = a, c5 = a, c6 = a, c7 = a, c8 = a, c9 = a, c10 = a, c11 = a;
  for (int i = 0; i < 4000; ++i) {
    const auto dot = [&a](__m512i c) DSMM_TARGET("avx512f,avx512bw") {
      asm volatile("" : "+v"(a));  // or the products would be computed once
      return _mm512_add_epi32(c, _mm512_madd_epi16(a, a));
    };
    c0 = dot(c0), c1 = dot(c1), c2 = dot(c2), c3 = dot(c3), c4 = dot(c4), c5 = dot(c5), c6 = dot(c6), c7 = dot(c7);
    c8 = dot(c8), c9 = dot(c9), c10 = dot(c10), c11 = dot(c11);
    asm volatile("" : "+v"(c0), "+v"(c1), "+v"(c2), "+v"(c3), "+v"(c4), "+v"(c5));
    asm volatile("" : "+v"(c6), "+v"(c7), "+v"(c8), "+v"(c9), "+v"(c10), "+v"(c11));
  }
  return 4000.0 * 12 * 32 * 2;
}

/// 8 chains of vpmaddwd and vpaddd.
DSMM_TARGET("avx2")
inline double dot_avx2() noexcept {
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
inline double operations([[maybe_unused]] dsmm::isa level) {
#if DSMM_X86
  if (dsmm::covers(level, dsmm::isa::x86_avx512vnni)) return dot_avx512vnni() / best_time([] { dot_avx512vnni(); });
  if (level == dsmm::isa::x86_avx512bw) return dot_avx512bw() / best_time([] { dot_avx512bw(); });
  if (level == dsmm::isa::x86_avx2) return dot_avx2() / best_time([] { dot_avx2(); });
#endif
  return 0.0;
}

/// Operations per second of f32 fused multiply-adds on registers alone, in AVX-512; 0 elsewhere.
inline double fused_operations() {
#if DSMM_X86
  if (dsmm::has_isa(dsmm::isa::x86_avx512bw)) return fma_avx512() / best_time([] { fma_avx512(); });
#endif
  return 0.0;
}

/// Bytes per second that a plain sum of words reads from a buffer of that size, again and again.
inline double read_bytes(std::size_t size) {
  const std::vector<std::uint64_t> buffer(size / 8, 1);
  std::uint64_t kept = 0;
  const double time = best_time([&] {
#if DSMM_X86
    const auto read = [&]() DSMM_TARGET("avx2") {
      __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
      const auto* at = reinterpret_cast<const __m256i*>(buffer.data());
      for (std::size_t i = 0; i + 4 <= size / 32; i += 4) {
        a = _mm256_or_si256(a, _mm256_loadu_si256(at + i)), b = _mm256_or_si256(b, _mm256_loadu_si256(at + i + 1));
        c = _mm256_or_si256(c, _mm256_loadu_si256(at + i + 2)), d = _mm256_or_si256(d, _mm256_loadu_si256(at + i + 3));
      }
      const __m256i all = _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
      kept += static_cast<std::uint64_t>(_mm256_movemask_epi8(all));
    };
    if (dsmm::has_isa(dsmm::isa::x86_avx2)) return read();
#endif
    for (const std::uint64_t v : buffer) kept += v;
  });
  asm volatile("" : : "r"(kept));
  return static_cast<double>(size) / time;
}

}  // namespace ceiling
