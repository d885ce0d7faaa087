// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The one file that reads compiler and architecture macros.

#define DSMM_VERSION_MAJOR 0
#define DSMM_VERSION_MINOR 1
#define DSMM_VERSION_PATCH 0

#if defined(__FAST_MATH__) || defined(__ASSOCIATIVE_MATH__)
#error "dsmm promises the same bits on every machine: build without -ffast-math (docs/determinism.md)"
#endif

#if defined(__x86_64__) || defined(_M_X64)
#define DSMM_X86 1
#define DSMM_ARM64 0
#elif defined(__aarch64__)
#define DSMM_X86 0
#define DSMM_ARM64 1
#else
#define DSMM_X86 0
#define DSMM_ARM64 0
#endif

/// Compiles one function for the named instruction sets; the caller must have asked isa::has() first.
#if (DSMM_X86 || DSMM_ARM64) && (defined(__GNUC__) || defined(__clang__))
#define DSMM_TARGET(features) __attribute__((target(features)))
#else
#define DSMM_TARGET(features)
#endif

// 1 in units that link dsmm::compiled instead of compiling the definitions (*.inl.hpp) themselves; set by that target.
#if !defined(DSMM_COMPILED)
#define DSMM_COMPILED 0
#endif
#if DSMM_COMPILED
#define DSMM_INLINE
#else
#define DSMM_INLINE inline
#endif

/// Whether Arm's dot products can be compiled function by function. clang offers them only to whole units that are
/// built for them (up to 15), and later ones have not been tried.
#if DSMM_ARM64 && defined(__GNUC__) && !defined(__clang__)
#define DSMM_ARM_DOT 1
#else
#define DSMM_ARM_DOT 0
#endif

// Two units with different -march would otherwise share one inline symbol and the linker would keep either copy:
// an older box then dies of SIGILL. The name of the compile-time ISA keeps the copies apart.
#if defined(__AVX512F__)
#define DSMM_ABI_ISA x86_avx512
#elif defined(__AVX2__) && defined(__FMA__)
#define DSMM_ABI_ISA x86_avx2
#elif DSMM_X86
#define DSMM_ABI_ISA x86_base
#elif DSMM_ARM64
#define DSMM_ABI_ISA arm64
#else
#define DSMM_ABI_ISA portable
#endif
#if defined(NDEBUG)
#define DSMM_ABI_CHECK release
#else
#define DSMM_ABI_CHECK debug
#endif
#define DSMM_ABI_JOIN_(isa, check) v0_1_##isa##_##check
#define DSMM_ABI_JOIN(isa, check) DSMM_ABI_JOIN_(isa, check)
#define DSMM_ABI DSMM_ABI_JOIN(DSMM_ABI_ISA, DSMM_ABI_CHECK)

namespace dsmm::inline DSMM_ABI {
inline constexpr bool debug_checks =
#if defined(NDEBUG)
    false;
#else
    true;
#endif
}  // namespace dsmm::inline DSMM_ABI
