// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/verify/level_pieces.hpp"
#include "dsmm/model/verify/level_tables.hpp"
#include "dsmm/model/verify/side_tables.hpp"

/// Last layer of the verifier: VARIANTS. What a level's graph says is checked when the level is put together, by this
/// same verifier; here, that it can be: every table, range and byte of it. `where` is the level, from 1.
namespace dsmm::inline DSMM_ABI::verify_impl {

/// Whether every index of `inner` is in `outer`; empty stands for the whole axis.
inline bool lies_within(std::span<const format::range_row> inner, std::span<const format::range_row> outer) noexcept {
  if (outer.empty()) return true;
  std::size_t at = 0;
  for (const format::range_row& r : inner) {
    while (at < outer.size() && outer[at].first + outer[at].count <= r.first) ++at;
    if (at == outer.size() || r.first < outer[at].first || r.first + r.count > outer[at].first + outer[at].count)
      return false;
  }
  return !inner.empty();
}

/// The tables of a level's graph, not yet checked.
inline result<model_rows> rows_of(const level_parts& parts) noexcept {
  model_rows level;
  level.strings = {reinterpret_cast<const char*>(parts.strings.data()), parts.strings.size()};
  if (auto ok = split_graph(parts.graph, level); !ok) return ok.error();
  return level;
}

/// Where a level's ranges begin: what the levels before it use. Levels before it have been checked.
inline std::size_t first_range_of(const level_tables& v, std::size_t k) noexcept {
  std::size_t first = 0, piece = 0;
  for (std::size_t i = 0; i < k; ++i)
    for (std::size_t end = piece + v.levels[i].piece_count; piece < end; ++piece)
      first += std::size_t{v.pieces[piece].ranges[0]} + v.pieces[piece].ranges[1];
  return first;
}

/// A level takes of each constant only what the one before it takes, where both take from it.
inline result<void> check_nesting(piece_cursor level, piece_cursor before, std::int64_t where) noexcept {
  auto outer = before.next();
  for (auto inner = level.next(); inner && inner->to != nullptr; inner = level.next()) {
    if (inner->base == nullptr) continue;
    while (outer && outer->to != nullptr && (outer->base == nullptr || outer->base < inner->base))
      outer = before.next();
    if (!outer || outer->base != inner->base) continue;
    for (std::size_t axis = 0; axis < format::max_rank; ++axis)
      if (!lies_within(inner->ranges[axis], outer->ranges[axis]))
        return failure{errc::bad_layout, "level: it is not nested in the level before", where};
  }
  return {};
}

/// rows  of the file, with all tables but VARIANTS checked.
inline result<void> check_levels(std::span<const std::byte> section, model_rows& rows) noexcept {
  if (auto ok = split_levels(section, rows.variants); !ok) return ok;
  level_parts before_parts;
  model_rows before_rows;
  std::size_t range = 0;
  for (std::size_t k = 0; k < rows.variants.levels.size(); ++k) {
    const auto where = static_cast<std::int64_t>(k + 1);
    const level_parts parts = parts_of(rows, k, range);
    const auto level = rows_of(parts);
    if (!level) return failure{level.error().code, level.error().text, where};
    piece_cursor cursor(rows, *level, parts, where);
    for (auto p = cursor.next();; p = cursor.next()) {
      if (!p) return p.error();
      if (p->to == nullptr) break;
    }
    range += cursor.ranges_used();
    if (k != 0)
      if (auto ok = check_nesting({rows, *level, parts, where}, {rows, before_rows, before_parts, where}, where); !ok)
        return ok;
    before_parts = parts;
    before_rows = *level;
  }
  if (range != rows.variants.ranges.size())
    return failure{errc::bad_layout, "VARIANTS: ranges that belong to no piece"};
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
