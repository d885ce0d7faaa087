// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/model/format.hpp"

namespace dsmm::inline DSMM_ABI {

static_assert(std::endian::native == std::endian::little, "a .dsmm file is read in place: little-endian machines only");

/// The tables of VARIANTS.
struct level_tables {
  const format::variants_header* header = nullptr;  ///< null: the file has no levels
  std::span<const format::level_row> levels;
  std::span<const format::piece_row> pieces;
  std::span<const format::range_row> ranges;
  std::span<const std::byte> own;  ///< what the levels do not share
};

/// The tables of a .dsmm file as they lie in the caller's bytes. The verifier fills one and hands it to `model`; until
/// then nothing in it is trusted but the extents of the spans.
struct model_rows {
  const format::header* header = nullptr;
  std::span<const format::section> sections;
  std::span<const format::tensor_row> tensors;
  std::span<const format::op_row> ops;
  std::span<const format::program_row> programs;
  std::span<const std::uint32_t> indices;
  std::span<const std::int32_t> attributes;
  std::span<const format::self_test_row> self_tests;
  std::string_view strings;
  std::string_view meta;
  std::span<const std::byte> weights;
  level_tables variants;

  constexpr bool has_name(format::string_ref ref) const noexcept {
    return ref.length <= format::max_name && ref.offset <= strings.size() && ref.length <= strings.size() - ref.offset;
  }
  /// Empty if the reference points outside STRINGS.
  constexpr std::string_view name(format::string_ref ref) const noexcept {
    return has_name(ref) ? strings.substr(ref.offset, ref.length) : std::string_view{};
  }
  std::span<const std::uint32_t> inputs(const format::op_row& op) const noexcept {
    return indices.subspan(op.first_input, op.input_count);
  }
  std::span<const std::uint32_t> outputs(const format::op_row& op) const noexcept {
    return indices.subspan(op.first_output, op.output_count);
  }
};

}  // namespace dsmm::inline DSMM_ABI
