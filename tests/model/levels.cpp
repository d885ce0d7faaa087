// SPDX-License-Identifier: Apache-2.0
#include "dsmm/model/levels.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "tests/model/nested_model.hpp"
#include "tests/model/sealed.hpp"

using dsmm::errc;

namespace {

dsmm::model opened(const dsmm::file_bytes& file) { return *dsmm::model::open(file.bytes()); }

bool same_bytes(std::span<const std::byte> a, std::span<const std::byte> b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

/// VARIANTS of a sealed copy: its tables, to be changed.
struct tables {
  sealed_file file;
  explicit tables(std::span<const std::byte> good) : file(good) {}

  std::byte* section() { return file.bytes().data() + file.section(dsmm::format::section_kind::variants).offset; }
  dsmm::format::variants_header& header() { return *reinterpret_cast<dsmm::format::variants_header*>(section()); }
  dsmm::format::level_row& level(std::size_t i) {
    return reinterpret_cast<dsmm::format::level_row*>(section() + 32)[i];
  }
  dsmm::format::piece_row& piece(std::size_t i) {
    return reinterpret_cast<dsmm::format::piece_row*>(section() + 32 + 96 * header().level_count)[i];
  }
  dsmm::format::range_row& range(std::size_t i) {
    return reinterpret_cast<dsmm::format::range_row*>(section() + 32 + 96 * header().level_count +
                                                      16 * header().piece_count)[i];
  }
  errc open() { return dsmm::model::open(file.seal().bytes()).error().code; }
};

}  // namespace

TEST_CASE("a level comes out of the file bit for bit as it went in") {
  const auto file = nested_model::line_file();
  REQUIRE_MESSAGE(file, std::string(file ? "" : file.error().text));
  const auto m = opened(*file);
  REQUIRE(dsmm::level_count(m) == 3);
  const std::int32_t widths[] = {32, 16, 8};
  for (std::uint32_t k = 1; k < 3; ++k) {
    const auto alone = nested_model::line(widths[k]).finish();
    const auto level = dsmm::extract_level(m, k);
    REQUIRE_MESSAGE(level, std::string(level ? "" : level.error().text));
    CHECK(same_bytes((*level)->file(), alone->bytes()));
    CHECK(dsmm::level_bytes(m, k).value_or(0) == alone->bytes().size());
    CHECK((*level)->meta("threshold.joint") == "0.6");
  }
  CHECK(m.meta("threshold.joint") == "0.5");
  // All but biases and scales lies in the large model: levels cost tables, not weights.
  const auto large = nested_model::line(32).finish(), half = nested_model::line(16).finish();
  CHECK(file->bytes().size() < large->bytes().size() + 2 * half->bytes().size());
  CHECK(dsmm::level_share(m, 0) == 1.0f);
  CHECK(dsmm::find_level(m, 0.25) == 2u);
  CHECK_FALSE(dsmm::find_level(m, 0.3));
  CHECK(dsmm::level_count(opened(*large)) == 1);
  CHECK(dsmm::extract_level(m, 3).error().code == errc::not_found);
  CHECK(same_bytes((*dsmm::extract_level(m, 0))->file(), file->bytes()));
}

TEST_CASE("f32 blocks out of the middle, and corrected ones") {
  const auto file = nested_model::dense_file();
  REQUIRE_MESSAGE(file, std::string(file ? "" : file.error().text));
  const auto m = opened(*file);
  REQUIRE(dsmm::level_count(m) == 3);
  CHECK(dsmm::level_share(m, 0) == 0.9f);
  const auto small = nested_model::dense({2, 5, 9}).finish();
  CHECK(same_bytes((*dsmm::extract_level(m, 2))->file(), small->bytes()));
  CHECK_FALSE(same_bytes((*dsmm::extract_level(m, 1))->file(), nested_model::dense({1, 2, 5, 8, 9}).finish()->bytes()));
}

TEST_CASE("assembling needs the memory it says and gives back what is damaged") {
  const auto file = nested_model::line_file();
  REQUIRE(file);
  const auto m = opened(*file);
  const std::size_t bytes = *dsmm::level_bytes(m, 1);
  auto memory = dsmm::file_bytes::allocate(bytes);
  CHECK(dsmm::assemble_level(m, 1, memory->bytes()));
  CHECK(dsmm::assemble_level(m, 1, memory->bytes().first(bytes - 1)).error().code == errc::arena_too_small);
  // A file that is whole by its hashes, whose level is not the one that was stored.
  sealed_file other(file->bytes());
  auto& weights = other.section(dsmm::format::section_kind::weights);
  other.bytes()[weights.offset] ^= std::byte{1};
  const auto changed = dsmm::model::open(other.seal().bytes());
  REQUIRE(changed);
  CHECK(dsmm::assemble_level(*changed, 1, memory->bytes()).error().code == errc::bad_hash);
}

TEST_CASE("the loader refuses every lie of VARIANTS, each with its code") {
  const auto file = nested_model::line_file(), dense = nested_model::dense_file();
  REQUIRE(file);
  REQUIRE(dense);
  const auto lie = [&](errc code, auto&& change) {
    tables t(file->bytes());
    change(t);
    CHECK(t.open() == code);
  };
  lie(errc::too_large, [](tables& t) { t.header().level_count = 0; });
  lie(errc::too_large, [](tables& t) { t.header().level_count = 16; });
  lie(errc::truncated, [](tables& t) { t.header().piece_count = 0xFFFF'FFFF; });
  lie(errc::truncated, [](tables& t) { t.header().range_count = 0x2000'0000; });
  lie(errc::bad_value, [](tables& t) { t.header().share = 1.5f; });
  lie(errc::bad_value, [](tables& t) { t.header().reserved[3] = 1; });
  lie(errc::bad_value, [](tables& t) { t.level(0).share = 1.0f; });
  lie(errc::bad_value, [](tables& t) { t.level(1).share = 0.5f; });
  lie(errc::bad_value, [](tables& t) { t.level(1).share = 0.0f; });
  lie(errc::bad_value, [](tables& t) { t.level(0).flags |= 8; });
  lie(errc::bad_value, [](tables& t) { t.level(0).flags &= ~dsmm::format::own_meta; });
  lie(errc::bad_layout, [](tables& t) { t.level(0).graph_length = 0; });
  lie(errc::truncated, [](tables& t) { t.level(0).graph_length += std::uint64_t{1} << 63; });
  lie(errc::truncated, [](tables& t) { t.level(1).pieces_length += 64; });
  lie(errc::bad_layout, [](tables& t) { t.level(1).pieces_length -= 1; });
  lie(errc::bad_layout, [](tables& t) { t.level(0).piece_count -= 1; });
  lie(errc::bad_layout, [](tables& t) { t.level(0).piece_count += 1, t.level(1).piece_count -= 1; });
  lie(errc::bad_index, [](tables& t) { t.piece(0).base = 0; });  // an input
  lie(errc::bad_index, [](tables& t) { t.piece(0).base = 0xFFFF'FFFF; });
  lie(errc::bad_value, [](tables& t) { t.piece(0).form = static_cast<dsmm::format::piece_form>(0); });
  lie(errc::bad_value, [](tables& t) { t.piece(0).reserved = 1; });
  lie(errc::bad_layout, [](tables& t) { t.piece(3).base = t.piece(0).base; });  // the same constant twice
  lie(errc::bad_value, [](tables& t) { t.piece(0).axes[1] = 2; });
  lie(errc::bad_index, [](tables& t) { t.piece(0).axes[0] = 4; });
  lie(errc::unsupported, [](tables& t) { t.piece(0).axes[0] = 3; });  // i4s along its inputs
  lie(errc::bad_index, [](tables& t) { t.piece(0).ranges[0] = 0xFFFF'FFFF; });
  lie(errc::shape_mismatch, [](tables& t) { t.piece(0).ranges[0] = 0, t.piece(0).axes[0] = 0; });
  lie(errc::bad_index, [](tables& t) { t.range(0).first = 17; });
  lie(errc::bad_index, [](tables& t) { t.range(0).first = 0xFFFF'FFFF; });
  lie(errc::bad_index, [](tables& t) { t.range(0).count = 0; });
  lie(errc::shape_mismatch, [](tables& t) { t.range(0).count = 15; });
  lie(errc::bad_layout, [](tables& t) { t.range(t.header().range_count - 1).first = 20; });  // outside level 1
  lie(errc::bad_index, [](tables& t) { t.piece(1).form = dsmm::format::piece_form::block, t.piece(1).base = 0; });

  tables f32(dense->bytes());
  f32.range(0) = {1, 1}, f32.range(1) = {2, 1};  // touch
  CHECK(f32.open() == errc::bad_index);
}

TEST_CASE("VARIANTS cut anywhere is refused") {
  const auto file = nested_model::dense_file();
  REQUIRE(file);
  sealed_file original(file->bytes());
  const auto section = original.section(dsmm::format::section_kind::variants);
  for (std::uint64_t length = 1; length < section.length; ++length) {
    sealed_file f(file->bytes(), section.offset + length);
    f.header().file_size = section.offset + length;
    f.section(dsmm::format::section_kind::variants).length = length;
    CHECK_FALSE(dsmm::model::open(f.seal().bytes()));
  }
}
