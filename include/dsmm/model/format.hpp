// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>

#include "dsmm/config.hpp"

/// The bytes of a .dsmm file, little-endian, version 1. docs/format.md explains; this file is the definition.
/// A file is: header, section table, sections. Sections are sorted by offset, start at multiples of 64, and tile the
/// file exactly: between them lie only the zero bytes that alignment needs, and nothing follows the last one.
namespace dsmm::inline DSMM_ABI::format {

inline constexpr std::array<std::uint8_t, 8> magic{'D', 'S', 'M', 'M', 0x0D, 0x0A, 0x1A, 0x0A};
inline constexpr std::uint16_t major_version = 1;
inline constexpr std::uint16_t minor_version = 1;  ///< 1: general operators, ranks 0 to 6, dtypes from f64 on
inline constexpr std::uint32_t endian_canary = 0x01020304;
inline constexpr std::uint64_t alignment = 64;

/// Caps: what no sane model of a production line exceeds, and what a hostile file may therefore not claim.
inline constexpr std::uint32_t max_sections = 64;
inline constexpr std::uint32_t max_tensors = 65'536;
inline constexpr std::uint32_t max_ops = 65'536;
inline constexpr std::uint32_t max_programs = 16;
inline constexpr std::uint32_t max_name = 256;
inline constexpr std::uint32_t max_rank = 6;
inline constexpr std::uint64_t max_file = std::uint64_t{1} << 32;
inline constexpr std::int32_t max_extent = 1 << 24;
inline constexpr std::uint64_t max_elements = std::uint64_t{1} << 30;  ///< of one tensor
inline constexpr std::int32_t max_window = 1 << 14;                    ///< kernel, stride, dilation, padding
inline constexpr std::uint32_t max_ports = 512;                        ///< inputs, outputs and states together
inline constexpr std::uint64_t max_meta = 65'536;
inline constexpr std::uint32_t max_meta_lines = 512;
inline constexpr std::uint32_t max_self_tests = 64;
inline constexpr std::uint32_t max_self_test_runs = 4'096;
inline constexpr std::uint32_t max_levels = 15;  ///< smaller networks beside the one of GRAPH

using sha256_digest = std::array<std::uint8_t, 32>;

struct header {  // 128 bytes at offset 0
  std::array<std::uint8_t, 8> magic;
  std::uint16_t major, minor;
  std::uint32_t endian;
  std::uint64_t file_size;
  std::uint32_t section_count;
  std::uint32_t reserved0;      ///< 0
  sha256_digest table_hash;     ///< SHA-256 of the section table
  std::array<std::uint8_t, 64> reserved1;  ///< 0
};
static_assert(sizeof(header) == 128);

enum class section_kind : std::uint32_t {
  graph = 1,
  strings = 2,
  weights = 3,
  variants = 5,
  fit = 7,
  meta = 8,
  selftest = 9,
  signature = 10,
};

inline constexpr std::uint32_t section_required = 1;  ///< a reader that does not know the kind must refuse the file

struct section {  // 64 bytes each, from offset 128
  section_kind kind;
  std::uint32_t flags;
  std::uint64_t offset, length;
  std::uint64_t reserved;  ///< 0
  sha256_digest hash;      ///< SHA-256 of the section's `length` bytes
};
static_assert(sizeof(section) == 64);

/// GRAPH: this header, then tensors, ops, programs, then index_count u32 indices, then attribute_count s32 attributes.
struct graph_header {  // 32 bytes
  std::uint32_t tensor_count, op_count, program_count, index_count, attribute_count;
  std::array<std::uint32_t, 3> reserved;  ///< 0
};
static_assert(sizeof(graph_header) == 32);

enum class tensor_kind : std::uint8_t {
  input = 1,     ///< the caller writes it before run()
  value = 2,     ///< an op writes it
  output = 3,    ///< an op writes it, the caller reads it after run()
  constant = 4,  ///< bytes in WEIGHTS
  state = 5,     ///< a ring that survives from run to run; written by `append`, read as a value, oldest row first
};

/// Tensors that a caller addresses by name; the names of these are unique.
constexpr bool is_port(tensor_kind kind) noexcept {
  return kind == tensor_kind::input || kind == tensor_kind::output || kind == tensor_kind::state;
}

/// A name: bytes [offset, offset + length) of STRINGS, UTF-8, no terminator.
struct string_ref {
  std::uint32_t offset, length;
};

struct tensor_row {  // 72 bytes
  string_ref name;
  std::uint8_t type;  ///< dtype
  tensor_kind kind;
  std::uint8_t rank;  ///< 0..6; what integer operators read and write is rank 3: (H, W, C)
  std::uint8_t reserved0;  ///< 0
  std::uint32_t group;     ///< i4s: values per integer group scale, 0 = per channel; else 0
  std::array<std::int32_t, 6> dims;  ///< unused ones are 1
  float scale;              ///< u8: real = scale * (q - zero_point); other types 0
  std::int32_t zero_point;  ///< u8: 0..255; other types 0
  std::uint64_t offset, length;  ///< constants: bytes within WEIGHTS, offset a multiple of 64; else 0
  std::uint64_t reserved1;       ///< 0
};
static_assert(sizeof(tensor_row) == 72);

struct op_row {  // 32 bytes
  std::uint32_t kind;  ///< op_kind
  string_ref name;
  std::uint32_t first_input, input_count;    ///< into indices; an index of no_tensor marks an absent optional input
  std::uint32_t first_output, output_count;  ///< into indices
  std::uint32_t first_attribute;             ///< into attributes; the count is fixed by the kind
};
static_assert(sizeof(op_row) == 32);
inline constexpr std::uint32_t no_tensor = 0xFFFF'FFFF;

/// An entry point: ops [first_op, first_op + op_count) in order. Programs tile the ops and share tensors only through
/// constants and states. A line model has "hop" (one sensor hop) and "frame" (one camera frame).
struct program_row {  // 16 bytes
  string_ref name;
  std::uint32_t first_op, op_count;
};
static_assert(sizeof(program_row) == 16);

/// SELFTEST: entries run in order on fresh states; inputs are drawn from rng(seed) (graph/self_test.hpp).
struct self_test_row {  // 48 bytes
  std::uint32_t program;
  std::uint32_t runs;
  std::uint64_t seed;
  sha256_digest hash;  ///< over the outputs and states of the program after each of `runs` runs
};
static_assert(sizeof(self_test_row) == 48);

/// VARIANTS: smaller networks (levels) that live in the weights of the one in GRAPH. Each level is a whole model, whose
/// file can be put together from this section and the others bit for bit (model/levels.hpp).
/// This header, then levels, pieces and ranges; from the next multiple of 64 on, level after level, what it has of its
/// own: graph, strings, META, SELFTEST, then the bytes of its pieces. Each of these starts at a multiple of 64.
struct variants_header {  // 32 bytes
  std::uint32_t level_count, piece_count, range_count;
  float share;                             ///< of the multiply-adds: what the network of GRAPH stands for, 0 to 1
  std::array<std::uint32_t, 4> reserved;  ///< 0
};
static_assert(sizeof(variants_header) == 32);

/// A level's strings, META and SELFTEST are those of the file unless it has its own.
inline constexpr std::uint32_t own_strings = 1, own_meta = 2, own_selftest = 4;

struct level_row {  // 96 bytes
  float share;                ///< falls from level to level, always below the one before and above 0
  std::uint32_t piece_count;  ///< one per constant of its graph, in order
  std::uint32_t flags;        ///< own_strings, own_meta, own_selftest
  std::uint32_t reserved0;    ///< 0
  std::uint64_t graph_length, strings_length, meta_length, selftest_length;  ///< bytes of its own
  std::uint64_t pieces_length;  ///< bytes of its own in all pieces, with the gaps between them
  std::uint64_t reserved1;      ///< 0
  sha256_digest identity;       ///< of the level as a file: the hash of its section table
};
static_assert(sizeof(level_row) == 96);

enum class piece_form : std::uint8_t {
  own = 1,    ///< bytes of its own
  block = 2,  ///< elements of a constant of GRAPH: those in the ranges, along up to two axes
  /// f32: a block, and own bytes: one f32 scale per index of the first axis, at the next multiple of 64 one s8 per
  /// element. value = fma(scale, s8, block)
  corrected = 3,
};

/// How a level comes to one of its constants.
struct piece_row {  // 16 bytes
  std::uint32_t base;  ///< the constant's tensor in GRAPH, ascending within a level; own: 0
  piece_form form;
  std::array<std::uint8_t, 2> axes;  ///< that ranges cut, ascending; 0 where there are none
  std::uint8_t reserved;             ///< 0
  std::array<std::uint32_t, 2> ranges;  ///< for each of `axes`: how many of the next rows; 0: the whole axis stays
};
static_assert(sizeof(piece_row) == 16);

/// Indices [first, first + count) of an axis. The ranges of an axis ascend and do not touch.
struct range_row {
  std::uint32_t first, count;
};
static_assert(sizeof(range_row) == 8);

}  // namespace dsmm::inline DSMM_ABI::format
