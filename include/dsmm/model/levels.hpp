// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/float_mode.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/container_layout.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/op_kind.hpp"
#include "dsmm/model/verify/levels.hpp"

/// Models out of one file: level 0 is the network of GRAPH, levels 1 to m.levels().size() are the smaller ones of
/// VARIANTS. A level is put together as a file of its own, bit for bit the one that was stored, and opened by the
/// verifier like any other: there is no other way to it.
namespace dsmm::inline DSMM_ABI {

inline std::uint32_t level_count(const model& m) noexcept { return static_cast<std::uint32_t>(m.levels().size() + 1); }

/// What the level stands for, as a share of the multiply-adds of a whole network; 1 where the file says nothing.
inline float level_share(const model& m, std::uint32_t level) noexcept {
  if (level != 0) return m.levels()[level - 1].share;
  return m.rows().variants.header == nullptr ? 1.0f : m.rows().variants.header->share;
}

/// The level of that share, to within a thousandth.
inline std::optional<std::uint32_t> find_level(const model& m, double share) noexcept {
  for (std::uint32_t k = 0; k < level_count(m); ++k)
    if (std::fabs(static_cast<double>(level_share(m, k)) - share) < 1e-3) return k;
  return std::nullopt;
}

namespace level_impl {

/// A level of an open model, ready to be put together.
struct assembly {
  verify_impl::level_parts parts;
  model_rows rows;
  container_layout layout;
  std::uint64_t bytes = 0;
};

inline result<assembly> assembly_of(const model& m, std::uint32_t level) noexcept {
  if (level == 0 || level >= level_count(m)) return failure{errc::not_found, "the file has no such level", level};
  assembly a;
  a.parts = verify_impl::parts_of(m.rows(), level - 1, verify_impl::first_range_of(m.rows().variants, level - 1));
  const auto rows = verify_impl::rows_of(a.parts);
  if (!rows) return rows.error();
  a.rows = *rows;
  std::uint64_t bytes = 0;
  for (const format::tensor_row& t : a.rows.tensors)
    if (t.kind == format::tensor_kind::constant) bytes = t.offset + t.length;
  using enum format::section_kind;
  a.layout.add(graph, a.parts.graph.size());
  a.layout.add(strings, a.parts.strings.size());
  a.layout.add(weights, bytes);
  a.layout.add(meta, a.parts.meta.size());
  a.layout.add(selftest, a.parts.selftest.size());
  a.bytes = a.layout.place();
  return a;
}

/// Visits each run of `count` consecutive indices of an axis.
template <class F>
void each_range(std::span<const format::range_row> ranges, std::int32_t extent, F&& f) noexcept {
  if (ranges.empty()) f(std::size_t{0}, static_cast<std::size_t>(extent));
  for (const format::range_row& r : ranges) f(std::size_t{r.first}, std::size_t{r.count});
}

/// Copies the block of `axis` and the axes behind it. `inner` bytes per index of the last axis; a recursion as deep as
/// the rank, at most 6.
inline void copy_block(const verify_impl::level_piece& p, std::size_t axis, std::size_t element, const std::byte* from,
                       std::byte*& to) noexcept {
  std::size_t inner = element;
  bool whole = true;
  for (std::size_t d = axis + 1; d < format::max_rank; ++d) {
    inner *= static_cast<std::size_t>(p.base->dims[d]);
    whole = whole && p.ranges[d].empty();
  }
  each_range(p.ranges[axis], p.base->dims[axis], [&](std::size_t first, std::size_t count) {
    if (whole) {
      std::memcpy(to, from + first * inner, count * inner);
      to += count * inner;
      return;
    }
    for (std::size_t i = first; i < first + count; ++i) copy_block(p, axis + 1, element, from + i * inner, to);
  });
}

/// Rows of an i4s constant: nibbles, then the group scales.
inline void copy_i4s(const verify_impl::level_piece& p, std::span<const std::byte> from, std::byte* to) noexcept {
  const auto depth = static_cast<std::size_t>(verify_impl::depth(*p.base)), group = std::size_t{p.base->group};
  const std::size_t row = (depth + 1) / 2, groups = group == 0 ? 0 : (depth + group - 1) / group;
  const auto rows = static_cast<std::size_t>(p.base->dims[0]);
  const auto copy = [&](std::size_t begin, std::size_t bytes) {
    each_range(p.ranges[0], p.base->dims[0], [&](std::size_t first, std::size_t count) {
      if (bytes == 0) return;
      std::memcpy(to, from.data() + begin + first * bytes, count * bytes);
      to += count * bytes;
    });
  };
  copy(0, row);
  copy(rows * row, groups);
}

/// value = fma(scale, s8, value), the scale of its index of the first axis: one rounding, the same on every machine.
inline void correct(const verify_impl::level_piece& p, std::byte* values) noexcept {
  const exact_float_mode mode;
  const auto n = static_cast<std::size_t>(verify_impl::elements(*p.to));
  const std::size_t first = p.to->rank == 0 ? 1 : static_cast<std::size_t>(p.to->dims[0]);
  for (std::size_t i = 0; i < n; ++i) {
    float scale, value;
    std::memcpy(&scale, p.scales.data() + i / (n / first) * sizeof(float), sizeof(float));
    std::memcpy(&value, values + i * sizeof(float), sizeof(float));
    value = __builtin_fmaf(scale, static_cast<float>(static_cast<std::int8_t>(p.own[i])), value);
    std::memcpy(values + i * sizeof(float), &value, sizeof(float));
  }
}

}  // namespace level_impl

/// Bytes of a level as a file. Errors: not_found. Level 0 has no bytes of its own: it is the file.
inline result<std::size_t> level_bytes(const model& m, std::uint32_t level) noexcept {
  const auto a = level_impl::assembly_of(m, level);
  if (!a) return a.error();
  if (a->bytes > format::max_file) return failure{errc::too_large, "a level is larger than 4 GiB", level};
  return static_cast<std::size_t>(a->bytes);
}

/// Puts a level together in `to`, at least level_bytes() at a multiple of 64, and verifies it. Allocates nothing.
/// Errors: not_found; arena_too_small; bad_hash (it is not the level that was stored); those of model::open().
/// Cost: a copy and one SHA-256 of the level.
inline result<model> assemble_level(const model& m, std::uint32_t level, std::span<std::byte> to) noexcept {
  auto a = level_impl::assembly_of(m, level);
  if (!a) return a.error();
  if (a->bytes > to.size()) return failure{errc::arena_too_small, "a level needs level_bytes() of memory", level};
  const std::span<std::byte> file = to.first(static_cast<std::size_t>(a->bytes));
  std::memset(file.data(), 0, file.size());
  using enum format::section_kind;
  a->layout.copy(file, graph, a->parts.graph);
  a->layout.copy(file, strings, a->parts.strings);
  a->layout.copy(file, meta, a->parts.meta);
  a->layout.copy(file, selftest, a->parts.selftest);
  const std::span<std::byte> out = a->layout.section(file, weights);
  verify_impl::piece_cursor cursor(m.rows(), a->rows, a->parts, level);
  for (auto p = cursor.next();; p = cursor.next()) {
    if (!p) return p.error();
    if (p->to == nullptr) break;
    std::byte* at = out.data() + p->to->offset;
    if (p->base == nullptr) {
      if (!p->own.empty()) std::memcpy(at, p->own.data(), p->own.size());
      continue;
    }
    const auto from = m.constant(static_cast<std::uint32_t>(p->base - m.tensors().data()));
    const auto type = static_cast<dtype>(p->to->type);
    if (p->to->length == 0) continue;
    if (type == dtype::i4s) level_impl::copy_i4s(*p, from, at);
    else level_impl::copy_block(*p, 0, size_of(type), from.data(), at);
    if (p->form == format::piece_form::corrected) level_impl::correct(*p, out.data() + p->to->offset);
  }
  bool general = false;
  for (const format::op_row& op : a->rows.ops) general = general || is_general(op.kind);
  a->layout.seal(file, general ? format::minor_version : std::uint16_t{0});
  const result<model> opened = model::open(file);
  if (opened && opened->identity() != m.levels()[level - 1].identity)
    return failure{errc::bad_hash, "level: what its pieces give is not what was stored", level};
  return opened;
}

/// A level in memory of its own; of level 0 a copy of the whole file.
/// Errors: as assemble_level(); too_large (no memory).
inline result<owned_model> extract_level(const model& m, std::uint32_t level) noexcept {
  if (level == 0) {
    auto copy = file_bytes::allocate(m.file().size());
    if (!copy) return copy.error();
    std::memcpy(copy->bytes().data(), m.file().data(), m.file().size());
    return owned_model::adopt(std::move(*copy));
  }
  const auto bytes = level_bytes(m, level);
  if (!bytes) return bytes.error();
  auto memory = file_bytes::allocate(*bytes);
  if (!memory) return memory.error();
  if (const auto opened = assemble_level(m, level, memory->bytes()); !opened) return opened.error();
  return owned_model::adopt(std::move(*memory));
}

}  // namespace dsmm::inline DSMM_ABI
