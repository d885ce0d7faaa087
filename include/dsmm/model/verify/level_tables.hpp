// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/verify/container.hpp"
#include "dsmm/model/verify/tables.hpp"
#include "dsmm/model/verify/tensors.hpp"

/// The tables of VARIANTS, and what belongs to one level. `where` is the level, from 1.
namespace dsmm::inline DSMM_ABI::verify_impl {

/// What one level has, cut out of VARIANTS; what it shares with the file included.
struct level_parts {
  std::span<const std::byte> graph, strings, meta, selftest;
  std::span<const std::byte> own;  ///< of its pieces, one after the other
  std::span<const format::piece_row> pieces;
  std::span<const format::range_row> ranges;  ///< of this level and those behind it
};

/// Cuts VARIANTS into its tables and checks what they say about themselves. Own bytes are checked to tile exactly.
inline result<void> split_levels(std::span<const std::byte> section, level_tables& out) noexcept {
  if (section.empty()) return {};
  if (section.size() < sizeof(format::variants_header))
    return failure{errc::truncated, "VARIANTS: shorter than its header"};
  const format::variants_header& h = rows_at<format::variants_header>(section, 0, 1).front();
  if (h.level_count == 0 || h.level_count > format::max_levels)
    return failure{errc::too_large, "VARIANTS: a file has 1 to 15 levels beside its own network"};
  if (!all_zero(std::as_bytes(std::span(h.reserved))))
    return failure{errc::bad_value, "VARIANTS: reserved bytes must be zero"};
  if (!is_scale(h.share) || h.share > 1.0f)
    return failure{errc::bad_value, "VARIANTS: a share must be above 0 and at most 1"};
  const checked_size levels = checked_size(h.level_count) * sizeof(format::level_row);
  const checked_size pieces = checked_size(h.piece_count) * sizeof(format::piece_row);
  const checked_size ranges = checked_size(h.range_count) * sizeof(format::range_row);
  const checked_size tables = checked_size(sizeof(format::variants_header)) + levels + pieces + ranges;
  const checked_size own = tables.aligned(format::alignment);
  if (!own.valid() || own.value() > section.size())
    return failure{errc::truncated, "VARIANTS: its counts reach beyond its end"};
  std::size_t at = sizeof(format::variants_header);
  const auto take = [&]<class T>(std::span<const T>& table, std::size_t count) {
    table = rows_at<T>(section, at, count);
    at += table.size_bytes();
  };
  take(out.levels, h.level_count);
  take(out.pieces, h.piece_count);
  take(out.ranges, h.range_count);
  const auto start = static_cast<std::size_t>(own.value());
  if (!all_zero(section.subspan(at, start - at))) return failure{errc::bad_layout, "VARIANTS: a gap is not zero"};
  out.own = section.subspan(start);
  std::uint64_t end = 0, piece_count = 0;
  float share = h.share;
  for (std::size_t k = 0; k < out.levels.size(); ++k) {
    const format::level_row& row = out.levels[k];
    const auto where = static_cast<std::int64_t>(k + 1);
    if (!is_scale(row.share) || row.share >= share)
      return failure{errc::bad_value, "level: its share must be above 0 and below that of the level before", where};
    share = row.share;
    constexpr std::uint32_t known = format::own_strings | format::own_meta | format::own_selftest;
    if ((row.flags & ~known) != 0 || row.reserved0 != 0 || row.reserved1 != 0)
      return failure{errc::bad_value, "level: unknown flags or reserved bytes", where};
    if (((row.flags & format::own_strings) == 0 && row.strings_length != 0) ||
        ((row.flags & format::own_meta) == 0 && row.meta_length != 0) ||
        ((row.flags & format::own_selftest) == 0 && row.selftest_length != 0))
      return failure{errc::bad_value, "level: bytes of its own where it says that it shares", where};
    for (const std::uint64_t length :
         {row.graph_length, row.strings_length, row.meta_length, row.selftest_length, row.pieces_length}) {
      if (length == 0) continue;
      const std::uint64_t begin = round_up(static_cast<std::size_t>(end), format::alignment);  // end <= 2^32
      if (begin > out.own.size() || length > out.own.size() - begin)
        return failure{errc::truncated, "level: reaches beyond the end of VARIANTS", where};
      if (!all_zero(out.own.subspan(static_cast<std::size_t>(end), static_cast<std::size_t>(begin - end))))
        return failure{errc::bad_layout, "level: a gap between its parts is not zero", where};
      end = begin + length;
    }
    piece_count += row.piece_count;
  }
  if (end != out.own.size()) return failure{errc::bad_layout, "VARIANTS: bytes that belong to no level"};
  if (piece_count != out.pieces.size()) return failure{errc::bad_layout, "VARIANTS: pieces that belong to no level"};
  out.header = &h;
  return {};
}

/// The parts of level `k`, from 0, after split_levels(). `first_range` is what the levels before it take.
inline level_parts parts_of(const model_rows& file, std::size_t k, std::size_t first_range) noexcept {
  const level_tables& v = file.variants;
  std::size_t end = 0, piece = 0;
  const auto take = [&](std::uint64_t length) -> std::span<const std::byte> {
    if (length == 0) return {};
    const std::size_t begin = round_up(end, format::alignment);
    end = begin + static_cast<std::size_t>(length);
    return v.own.subspan(begin, static_cast<std::size_t>(length));
  };
  for (std::size_t i = 0;; ++i) {
    const format::level_row& row = v.levels[i];
    level_parts p;
    p.graph = take(row.graph_length);
    p.strings = take(row.strings_length);
    p.meta = take(row.meta_length);
    p.selftest = take(row.selftest_length);
    p.own = take(row.pieces_length);
    p.pieces = v.pieces.subspan(piece, row.piece_count);
    piece += row.piece_count;
    if (i < k) continue;
    if ((row.flags & format::own_strings) == 0) p.strings = std::as_bytes(std::span(file.strings));
    if ((row.flags & format::own_meta) == 0) p.meta = std::as_bytes(std::span(file.meta));
    if ((row.flags & format::own_selftest) == 0) p.selftest = std::as_bytes(file.self_tests);
    p.ranges = v.ranges.subspan(first_range);
    return p;
  }
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
