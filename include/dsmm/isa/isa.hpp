// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#if DSMM_ARM64 && __has_include(<sys/auxv.h>)
#include <sys/auxv.h>
#elif DSMM_X86
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#endif

namespace dsmm::inline DSMM_ABI {

/// Instruction sets that kernels are written for, each a cluster of features that came to the market together.
/// Which one runs changes the time and never a bit of the result.
enum class isa : std::uint8_t {
  generic,         ///< plain C++: the specification of every kernel
  x86_sse41,       ///< SSE4.1: small boxes without AVX, Goldmont, Tremont
  x86_avx2,        ///< AVX2, FMA: Haswell, Zen
  x86_avxvnni,     ///< AVX2 and AVX-VNNI: Alder Lake and later, clients without AVX-512
  x86_avx512bw,    ///< AVX-512 F, BW and VL: Skylake servers and workstations
  x86_avx512vnni,  ///< AVX-512 F, BW, VL and VNNI: Cascade Lake
  x86_avx512vbmi,  ///< the same and VBMI: Ice Lake, Zen 4
  x86_amx,         ///< the same and AMX for bytes: Sapphire Rapids servers
  arm_neon,        ///< every 64-bit Arm
  arm_neondot,     ///< dot product: Cortex-A75, A55 and later
  arm_i8mm,        ///< dot product of u8 and s8: Cortex-A510, Neoverse V1 and later
};

/// One instruction set: what it is called in DSMM_ISA and --isa, what it contains, and whether this machine has it.
struct isa_row {
  isa id;
  const char* name;
  isa below;  ///< the next smaller set; every machine with this set has that one too
  bool (*here)() noexcept;
};

namespace isa_impl {

constexpr bool always() noexcept { return true; }

#if DSMM_X86
// They ask CPUID for the feature and XGETBV whether the operating system saves the registers.
inline bool has_sse41() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("sse4.1") && __builtin_cpu_supports("ssse3");
}
inline bool has_avx2() noexcept {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
/// Neither g++ 12 nor clang 14 know the name, so the bit is asked for: leaf 7, subleaf 1, EAX 4.
inline bool has_avxvnni() noexcept {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1u << 4) != 0;
}
inline bool has_avx512bw() noexcept {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512vl");
}
inline bool has_avx512vnni() noexcept { return has_avx512bw() && __builtin_cpu_supports("avx512vnni"); }
inline bool has_avx512vbmi() noexcept { return has_avx512vnni() && __builtin_cpu_supports("avx512vbmi"); }
/// Linux gives a process the tile registers (8 KB a thread, and so much more in a signal's frame) only if it asks once.
inline bool may_use_tiles() noexcept {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr long request_permission = 0x1023, tile_data = 18;  // asm/prctl.h: ARCH_REQ_XCOMP_PERM; XSAVE component
  return syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}
/// AMX-TILE and AMX-INT8, leaf 7, EDX 24 and 25.
inline bool has_amx() noexcept {
  static const bool here = []() noexcept {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return has_avx512vbmi() && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 24 & 3u) == 3u && may_use_tiles();
  }();
  return here;
}
#elif DSMM_ARM64 && defined(HWCAP_ASIMDDP) && defined(HWCAP2_I8MM)
inline bool has_neondot() noexcept { return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0; }
inline bool has_i8mm() noexcept { return has_neondot() && (getauxval(AT_HWCAP2) & HWCAP2_I8MM) != 0; }
#elif DSMM_ARM64
inline bool has_neondot() noexcept { return false; }
inline bool has_i8mm() noexcept { return false; }
#endif

}  // namespace isa_impl

/// The instruction sets of this architecture, smallest first.
inline constexpr std::array isa_rows {
  isa_row{isa::generic, "generic", isa::generic, isa_impl::always},
#if DSMM_X86
      isa_row{isa::x86_sse41, "x86_sse41", isa::generic, isa_impl::has_sse41},
      isa_row{isa::x86_avx2, "x86_avx2", isa::x86_sse41, isa_impl::has_avx2},
      isa_row{isa::x86_avxvnni, "x86_avxvnni", isa::x86_avx2, isa_impl::has_avxvnni},
      isa_row{isa::x86_avx512bw, "x86_avx512bw", isa::x86_avx2, isa_impl::has_avx512bw},
      isa_row{isa::x86_avx512vnni, "x86_avx512vnni", isa::x86_avx512bw, isa_impl::has_avx512vnni},
      isa_row{isa::x86_avx512vbmi, "x86_avx512vbmi", isa::x86_avx512vnni, isa_impl::has_avx512vbmi},
      isa_row{isa::x86_amx, "x86_amx", isa::x86_avx512vbmi, isa_impl::has_amx},
#elif DSMM_ARM64
      isa_row{isa::arm_neon, "arm_neon", isa::generic, isa_impl::always},
      isa_row{isa::arm_neondot, "arm_neondot", isa::arm_neon, isa_impl::has_neondot},
      isa_row{isa::arm_i8mm, "arm_i8mm", isa::arm_neondot, isa_impl::has_i8mm},
#endif
};

/// The row of a set; null for one of another architecture.
constexpr const isa_row* row_of(isa id) noexcept {
  for (const isa_row& row : isa_rows)
    if (row.id == id) return &row;
  return nullptr;
}

/// Name as in DSMM_ISA. Static storage.
constexpr const char* to_string(isa id) noexcept {
  const isa_row* const row = row_of(id);
  return row != nullptr ? row->name : "foreign";
}

/// Whether a machine with `have` runs code for `need`.
constexpr bool covers(isa have, isa need) noexcept {
  for (const isa_row* row = row_of(have); row != nullptr; row = row_of(row->below)) {
    if (row->id == need) return true;
    if (row->id == isa::generic) break;
  }
  return false;
}

/// Whether this machine has the set.
inline bool has_isa(isa id) noexcept {
  const isa_row* const row = row_of(id);
  return row != nullptr && row->here();
}

/// The largest set of this machine.
inline isa best_isa() noexcept {
  isa best = isa::generic;
  for (const isa_row& row : isa_rows)
    if (row.here()) best = row.id;
  return best;
}

/// The set of that name. Errors: not_found (no such set on this architecture), unsupported (this machine lacks it).
inline result<isa> find_isa(std::string_view name) noexcept {
  for (const isa_row& row : isa_rows) {
    if (name != row.name) continue;
    if (row.here()) return row.id;
    return failure{errc::unsupported, "this machine lacks the instruction set: unset DSMM_ISA or name a smaller one"}
        .named(name.data(), name.size());
  }
  return failure{errc::not_found,
                 "no instruction set of that name (generic, x86_avx2, x86_avx512vnni, x86_amx, arm_neon, ..)"}
      .named(name.data(), name.size());
}

/// best_isa(), or the set that the environment variable DSMM_ISA names; it is read once. Errors: as find_isa.
inline result<isa> selected_isa() noexcept {
  static const result<isa> selected = []() noexcept -> result<isa> {
    const char* const name = std::getenv("DSMM_ISA");
    if (name == nullptr || *name == '\0') return best_isa();
    return find_isa(name);
  }();
  return selected;
}

}  // namespace dsmm::inline DSMM_ABI
