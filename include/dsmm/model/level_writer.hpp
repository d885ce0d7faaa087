// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/container_layout.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/levels.hpp"
#include "dsmm/model/model.hpp"

/// Joins a model and smaller ones into one file (VARIANTS). For converters; allocates freely.
namespace dsmm::inline DSMM_ABI {

/// Where a constant of a level comes from; as format::piece_row.
struct piece_plan {
  format::piece_form form = format::piece_form::own;
  std::uint32_t base = 0;                                                   ///< tensor of the large model
  std::array<std::vector<format::range_row>, format::max_rank> ranges{};  ///< by axis; empty: whole
  std::vector<std::int8_t> steps{};                                         ///< of a correction, one per element
  std::vector<float> scales{};                                              ///< of a correction, one per first index
};

/// A model that becomes a level.
struct level_source {
  float share = 0;
  model level;
  std::vector<piece_plan> pieces{};  ///< one per constant, in order
};

/// Ascending indices as ranges; none if they are all of `extent`.
inline std::vector<format::range_row> ranges_of(std::span<const std::uint32_t> indices, std::size_t extent) {
  std::vector<format::range_row> out;
  if (indices.size() == extent) return out;
  for (const std::uint32_t i : indices) {
    if (!out.empty() && out.back().first + out.back().count == i) ++out.back().count;
    else out.push_back({i, 1});
  }
  return out;
}

namespace level_impl {

/// The first elements of `b` along each axis, if `t` is just that; nothing is shared by constants of a few bytes.
inline bool is_prefix(const model& large, std::uint32_t b, const model& small, std::uint32_t t, piece_plan& plan) {
  const format::tensor_row &from = large.tensors()[b], &to = small.tensors()[t];
  const bool packed = static_cast<dtype>(to.type) == dtype::i4s;
  if (from.kind != format::tensor_kind::constant || from.type != to.type || from.group != to.group ||
      from.rank != to.rank || from.scale != to.scale || from.zero_point != to.zero_point || to.length < 64)
    return false;
  plan = {format::piece_form::block, b, {}, {}, {}};
  std::array<format::range_row, format::max_rank> first{};
  verify_impl::level_piece p;
  p.to = &to, p.base = &from;
  std::size_t cuts = 0;
  for (std::size_t d = 0; d < format::max_rank; ++d) {
    if (to.dims[d] > from.dims[d]) return false;
    if (to.dims[d] == from.dims[d]) continue;
    first[d] = {0, static_cast<std::uint32_t>(to.dims[d])};
    plan.ranges[d] = {first[d]};
    p.ranges[d] = {&first[d], 1};
    if (++cuts > 2 || (packed && d != 0)) return false;
  }
  std::vector<std::byte> block(static_cast<std::size_t>(to.length));
  std::byte* at = block.data();
  if (packed) copy_i4s(p, large.constant(b), at);
  else copy_block(p, 0, size_of(static_cast<dtype>(to.type)), large.constant(b).data(), at);
  return std::memcmp(block.data(), small.constant(t).data(), block.size()) == 0;
}

}  // namespace level_impl

/// What two models share by their bytes alone: constants that are a first block of one of the larger model's, in order.
inline std::vector<piece_plan> prefix_pieces(const model& large, const model& small) {
  constexpr std::uint32_t ahead = 64;  // tensors: enough to pass over what one of the two has more
  std::vector<piece_plan> out;
  std::uint32_t next = 0;
  const auto count = static_cast<std::uint32_t>(large.tensors().size());
  for (std::uint32_t t = 0; t < small.tensors().size(); ++t) {
    if (small.tensors()[t].kind != format::tensor_kind::constant) continue;
    piece_plan plan;
    for (std::uint32_t b = next; b < std::min(count, next + ahead) && plan.form == format::piece_form::own; ++b) {
      if (level_impl::is_prefix(large, b, small, t, plan)) next = b + 1;
      else plan = {};
    }
    out.push_back(std::move(plan));
  }
  return out;
}

namespace level_impl {

/// VARIANTS, as it grows.
class section_writer {
public:
  void level(const model& large, const level_source& source) {
    const model& m = source.level;
    format::level_row row{};
    row.share = source.share;
    row.identity = m.identity();
    const model_rows &rows = m.rows(), &base = large.rows();
    row.graph_length = part(verify_impl::section_bytes(m.file(), rows, format::section_kind::graph));
    const auto own = [&](std::uint32_t flag, std::uint64_t& length, std::span<const std::byte> bytes,
                         std::span<const std::byte> shared) {
      if (std::equal(bytes.begin(), bytes.end(), shared.begin(), shared.end())) return;
      row.flags |= flag;
      length = part(bytes);
    };
    own(format::own_strings, row.strings_length, std::as_bytes(std::span(rows.strings)),
        std::as_bytes(std::span(base.strings)));
    own(format::own_meta, row.meta_length, std::as_bytes(std::span(rows.meta)), std::as_bytes(std::span(base.meta)));
    own(format::own_selftest, row.selftest_length, std::as_bytes(rows.self_tests), std::as_bytes(base.self_tests));
    pad();
    const std::size_t begin = own_.size();
    std::size_t next = 0;
    for (std::uint32_t t = 0; t < m.tensors().size(); ++t)
      if (m.tensors()[t].kind == format::tensor_kind::constant) piece(source.pieces[next++], m.constant(t));
    row.piece_count = static_cast<std::uint32_t>(next);
    row.pieces_length = own_.size() - begin;
    if (row.pieces_length == 0) own_.resize(unpadded_);
    levels_.push_back(row);
  }

  std::vector<std::byte> finish(float share) const {
    format::variants_header header{};
    header.level_count = static_cast<std::uint32_t>(levels_.size());
    header.piece_count = static_cast<std::uint32_t>(pieces_.size());
    header.range_count = static_cast<std::uint32_t>(ranges_.size());
    header.share = share;
    std::vector<std::byte> out;
    const auto add = [&](std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
    add(std::as_bytes(std::span(&header, 1)));
    add(std::as_bytes(std::span(levels_)));
    add(std::as_bytes(std::span(pieces_)));
    add(std::as_bytes(std::span(ranges_)));
    out.resize(round_up(out.size(), format::alignment));
    add(own_);
    return out;
  }

private:
  void pad() {
    unpadded_ = own_.size();
    own_.resize(round_up(own_.size(), format::alignment));
  }
  std::uint64_t part(std::span<const std::byte> bytes) {
    if (bytes.empty()) return 0;
    pad();
    own_.insert(own_.end(), bytes.begin(), bytes.end());
    return bytes.size();
  }
  void piece(const piece_plan& plan, std::span<const std::byte> bytes) {
    format::piece_row row{};
    row.form = plan.form;
    if (plan.form == format::piece_form::own) {
      part(bytes);
    } else {
      row.base = plan.base;
      std::size_t n = 0;
      for (std::size_t d = 0; d < format::max_rank; ++d) {
        if (plan.ranges[d].empty() || n == 2) continue;
        row.axes[n] = static_cast<std::uint8_t>(d);
        row.ranges[n++] = static_cast<std::uint32_t>(plan.ranges[d].size());
        ranges_.insert(ranges_.end(), plan.ranges[d].begin(), plan.ranges[d].end());
      }
      part(std::as_bytes(std::span(plan.scales)));
      part(std::as_bytes(std::span(plan.steps)));
    }
    pieces_.push_back(row);
  }

  std::vector<format::level_row> levels_;
  std::vector<format::piece_row> pieces_;
  std::vector<format::range_row> ranges_;
  std::vector<std::byte> own_;
  std::size_t unpadded_ = 0;
};

}  // namespace level_impl

/// The file of `large` with `levels` in it, largest first; what it may have had before goes. Every level is put
/// together again from the result, and must be what was given.
/// Errors: invalid_argument (pieces do not match constants); those of model::open() and assemble_level().
inline result<file_bytes> join_levels(const model& large, float share, std::span<const level_source> levels) {
  level_impl::section_writer writer;
  for (const level_source& s : levels) {
    const auto constants = std::count_if(s.level.tensors().begin(), s.level.tensors().end(), [](const auto& t) {
      return t.kind == format::tensor_kind::constant;
    });
    if (static_cast<std::size_t>(constants) != s.pieces.size())
      return failure{errc::invalid_argument, "a level needs one piece for each of its constants"};
    writer.level(large, s);
  }
  const std::vector<std::byte> variants = writer.finish(share);
  container_layout layout;
  for (const format::section& s : large.sections())
    if (s.kind != format::section_kind::variants) layout.add(s.kind, s.length, s.flags);
  if (!levels.empty()) layout.add(format::section_kind::variants, variants.size(), 0);  // the rest runs without it
  const std::uint64_t size = layout.place();
  if (size > format::max_file) return failure{errc::too_large, "a file with these levels is larger than 4 GiB"};
  auto file = file_bytes::allocate(static_cast<std::size_t>(size));
  if (!file) return file.error();
  std::memset(file->bytes().data(), 0, file->bytes().size());
  for (const format::section& s : large.sections())
    if (s.kind != format::section_kind::variants)
      layout.copy(file->bytes(), s.kind, verify_impl::section_bytes(large.file(), large.rows(), s.kind));
  if (!levels.empty()) layout.copy(file->bytes(), format::section_kind::variants, variants);
  layout.seal(file->bytes(), large.rows().header->minor);
  const auto joined = model::open(std::as_const(*file).bytes());
  if (!joined) return joined.error();
  for (std::uint32_t k = 1; k < level_count(*joined); ++k)
    if (const auto level = extract_level(*joined, k); !level) return level.error();
  return file;
}

}  // namespace dsmm::inline DSMM_ABI
