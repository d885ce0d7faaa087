// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/verify/level_tables.hpp"
#include "dsmm/model/verify/tensors.hpp"

/// How the constants of a level come from those of the file.
namespace dsmm::inline DSMM_ABI::verify_impl {

/// One constant of a level; everything in it has been checked.
struct level_piece {
  const format::tensor_row* to = nullptr;
  const format::tensor_row* base = nullptr;  ///< null: own bytes
  format::piece_form form{};
  std::array<std::span<const format::range_row>, format::max_rank> ranges{};  ///< by axis; empty: the whole axis
  std::span<const std::byte> own;     ///< the constant's bytes, or the s8 of a correction
  std::span<const std::byte> scales;  ///< f32, of a correction
};

/// Walks the constants of a level in order and checks each piece before it hands it out: against the tensor that it
/// makes, the constant that it is cut from, the ranges and the level's own bytes. The last call tells whether all of
/// these were used up. Allocates nothing; time grows with the tables, not with what they claim.
class piece_cursor {
public:
  /// `level`: the tables of the level's graph, cut but not checked.
  piece_cursor(const model_rows& file, const model_rows& level, const level_parts& parts, std::int64_t where) noexcept
      : file_(file), level_(level), parts_(parts), where_(where) {}

  /// The next piece, whose `to` is null at the end. Errors: bad_layout, bad_index, bad_value, too_large, truncated,
  /// shape_mismatch, dtype_mismatch.
  result<level_piece> next() noexcept {
    while (tensor_ < level_.tensors.size() && level_.tensors[tensor_].kind != format::tensor_kind::constant) ++tensor_;
    if (tensor_ == level_.tensors.size()) return finish();
    const format::tensor_row& t = level_.tensors[tensor_++];
    if (const char* text = check_dims(t)) return fail(errc::too_large, text);
    if (const char* text = check_type(t)) return fail(errc::bad_value, text);
    weights_ = (weights_ + format::alignment - 1) / format::alignment * format::alignment;
    if (t.length != constant_bytes(t) || t.offset != weights_ || t.offset + t.length > format::max_file)
      return fail(errc::bad_layout, "level: a constant's place does not follow from its shape");
    weights_ = t.offset + t.length;
    if (piece_ == parts_.pieces.size()) return fail(errc::bad_layout, "level: a constant without a piece");
    const format::piece_row& row = parts_.pieces[piece_++];
    level_piece p;
    p.to = &t;
    p.form = row.form;
    if (row.reserved != 0) return fail(errc::bad_value, "piece: reserved bytes must be zero");
    if (row.form == format::piece_form::own) {
      if (row.base != 0 || row.ranges[0] != 0 || row.ranges[1] != 0 || row.axes[0] != 0 || row.axes[1] != 0)
        return fail(errc::bad_value, "piece: own bytes come from nowhere else");
      return take_own(t.length, p.own) ? result<level_piece>(p) : fail(errc::truncated, beyond);
    }
    if (row.form != format::piece_form::block && row.form != format::piece_form::corrected)
      return fail(errc::bad_value, "piece: unknown form");
    if (row.base >= file_.tensors.size() || file_.tensors[row.base].kind != format::tensor_kind::constant)
      return fail(errc::bad_index, "piece: it is not cut from a constant");
    if (row.base < next_base_) return fail(errc::bad_layout, "piece: constants must be cut in order, each once");
    next_base_ = row.base + 1;
    p.base = &file_.tensors[row.base];
    if (auto ok = check_block(row, t, p); !ok) return ok.error();
    if (row.form == format::piece_form::block) return p;
    if (static_cast<dtype>(t.type) != dtype::f32) return fail(errc::dtype_mismatch, "piece: only f32 is corrected");
    const std::uint64_t first = t.rank == 0 ? 1 : static_cast<std::uint64_t>(t.dims[0]);
    if (!take_own(4 * first, p.scales) || !take_own(elements(t), p.own)) return fail(errc::truncated, beyond);
    if (!all_finite(p.scales)) return fail(errc::bad_value, "piece: a scale is infinite or not a number");
    return p;
  }

  std::uint64_t weight_bytes() const noexcept { return weights_; }  ///< of the level, so far
  std::size_t ranges_used() const noexcept { return range_; }

private:
  static constexpr const char* beyond = "piece: reaches beyond the own bytes of its level, or a gap is not zero";

  failure fail(errc code, const char* text) const noexcept { return failure{code, text, where_}; }

  result<level_piece> finish() const noexcept {
    if (piece_ != parts_.pieces.size()) return fail(errc::bad_layout, "level: more pieces than constants");
    if (own_ != parts_.own.size()) return fail(errc::bad_layout, "level: own bytes that belong to no piece");
    return level_piece{};
  }

  bool take_own(std::uint64_t length, std::span<const std::byte>& to) noexcept {
    if (length == 0) return true;
    const std::size_t begin = round_up(own_, format::alignment);
    if (begin > parts_.own.size() || length > parts_.own.size() - begin) return false;
    if (!all_zero(parts_.own.subspan(own_, begin - own_))) return false;
    to = parts_.own.subspan(begin, static_cast<std::size_t>(length));
    own_ = begin + static_cast<std::size_t>(length);
    return true;
  }

  result<void> check_block(const format::piece_row& row, const format::tensor_row& t, level_piece& p) noexcept {
    const format::tensor_row& b = *p.base;
    if (b.type != t.type || b.group != t.group || b.scale != t.scale || b.zero_point != t.zero_point)
      return fail(errc::dtype_mismatch, "piece: a block has the type of what it is cut from");
    if (b.rank != t.rank) return fail(errc::shape_mismatch, "piece: a block has the rank of what it is cut from");
    for (std::size_t i = 0; i < 2; ++i) {
      const std::uint32_t count = row.ranges[i];
      const std::size_t axis = row.axes[i];
      if (count == 0 && axis != 0) return fail(errc::bad_value, "piece: an axis without ranges");
      if (count == 0) continue;
      if (axis >= t.rank || !p.ranges[axis].empty() || (i == 1 && row.ranges[0] != 0 && axis <= row.axes[0]))
        return fail(errc::bad_index, "piece: its axes must ascend and lie below the rank");
      if (i == 1 && row.ranges[0] == 0) return fail(errc::bad_value, "piece: its first axis has no ranges");
      if (static_cast<dtype>(t.type) == dtype::i4s && axis != 0)
        return fail(errc::unsupported, "piece: i4s weights are cut along their first axis only");
      if (count > parts_.ranges.size() - range_) return fail(errc::bad_index, "piece: ranges beyond their table");
      p.ranges[axis] = parts_.ranges.subspan(range_, count);
      range_ += count;
    }
    for (std::size_t axis = 0; axis < format::max_rank; ++axis) {
      std::uint64_t end = 0, sum = 0;
      if (p.ranges[axis].empty()) sum = static_cast<std::uint64_t>(b.dims[axis]);
      for (const format::range_row& r : p.ranges[axis]) {
        const bool touches = sum != 0 && r.first <= end;
        end = std::uint64_t{r.first} + r.count;
        if (r.count == 0 || touches || end > static_cast<std::uint64_t>(b.dims[axis]))
          return fail(errc::bad_index, "piece: ranges must ascend, not touch, and lie inside their axis");
        sum += r.count;
      }
      if (!p.ranges[axis].empty() && sum == static_cast<std::uint64_t>(b.dims[axis]))
        return fail(errc::bad_value, "piece: an axis that stays whole has no ranges");
      if (sum != static_cast<std::uint64_t>(t.dims[axis]))
        return fail(errc::shape_mismatch, "piece: its ranges do not give the extents of the constant");
    }
    return {};
  }

  const model_rows& file_;
  const model_rows& level_;
  const level_parts& parts_;
  std::int64_t where_;
  std::size_t tensor_ = 0, piece_ = 0, range_ = 0, own_ = 0;
  std::uint32_t next_base_ = 0;
  std::uint64_t weights_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI::verify_impl
