// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>

#include "tests/model/every_op_model.hpp"
#include "tests/model/general_model.hpp"
#include "tests/model/nested_model.hpp"
#include "tests/graph/sample_models.hpp"
#include "tests/model/sealed.hpp"

/// Hostile .dsmm files, the same ones on every run: each a small model with one lie in it and all hashes repaired.
namespace hostile {

enum class expect : std::uint8_t {
  refused,  ///< must not open
  safe,     ///< may open, but must then run without harm
};

/// visit(name, bytes, expect) for each file. Bytes are aligned and hold during the call.
template <class Visit>
void truncations(std::span<const std::byte> good, Visit&& visit) {
  for (std::size_t size = 0; size < good.size(); ++size) {
    sealed_file f(good, size);
    visit("cut-" + std::to_string(size), f.bytes(), expect::refused);
    if (size < sizeof(dsmm::format::header)) continue;
    f.header().file_size = size;
    visit("cut-sealed-" + std::to_string(size), f.seal().bytes(), expect::refused);
  }
}

/// Every byte of the file but WEIGHTS, with five values.
template <class Visit>
void bytes(std::span<const std::byte> good, Visit&& visit) {
  sealed_file original(good);
  const auto& weights = original.section(dsmm::format::section_kind::weights);
  for (std::size_t i = 0; i < good.size(); ++i) {
    if (i >= weights.offset && i < weights.offset + weights.length) continue;
    for (const std::byte value : {good[i] ^ std::byte{1}, good[i] ^ std::byte{0x80}, std::byte{0}, std::byte{0xFF},
                                  static_cast<std::byte>(std::to_integer<int>(good[i]) + 1)}) {
      if (value == good[i]) continue;
      sealed_file f(good);
      f.bytes()[i] = value;
      visit("byte-" + std::to_string(i) + "-" + std::to_string(std::to_integer<int>(value)), f.seal().bytes(),
            expect::safe);
    }
  }
}

/// Every 32-bit word of the section table and the graph, with the values that break size arithmetic.
template <class Visit>
void words(std::span<const std::byte> good, Visit&& visit) {
  sealed_file original(good);
  const auto& graph = original.section(dsmm::format::section_kind::graph);
  for (std::size_t i = 128; i + 4 <= graph.offset + graph.length; i += 4)
    for (const std::uint32_t value : {0u, 1u, 2u, 3u, 64u, 65'536u, 1u << 24, (1u << 24) + 1, 0x7FFF'FFFFu,
                                      0x8000'0000u, 0xFFFF'FFFEu, 0xFFFF'FFFFu, 0x7F80'0000u}) {
      sealed_file f(good);
      std::memcpy(f.bytes().data() + i, &value, 4);
      visit("word-" + std::to_string(i) + "-" + std::to_string(value), f.seal().bytes(), expect::safe);
    }
}

/// Every attribute, every dim, type and rank of every tensor, and every index of a model, with a few values each: what
/// the shape rules of general operators must refuse or survive.
template <class Visit>
void rows(std::span<const std::byte> good, Visit&& visit) {
  sealed_file original(good);
  const dsmm::format::graph_header graph = original.graph();
  const auto change = [&](const std::string& name, auto&& edit) {
    sealed_file f(good);
    edit(f);
    visit(name, f.seal().bytes(), expect::safe);
  };
  for (std::uint32_t i = 0; i < graph.attribute_count; ++i)
    for (const std::int32_t value : {-1, 0, 1, 2, 7, 1 << 14, 1 << 24, 0x7FFF'FFFF, -0x7FFF'FFFF - 1, 0x7F80'0000})
      change("attribute-" + std::to_string(i) + "-" + std::to_string(value),
             [&](sealed_file& f) { f.attribute(i) = value; });
  for (std::uint32_t i = 0; i < graph.tensor_count; ++i) {
    const std::string name = std::to_string(i);
    for (std::uint32_t d = 0; d < 6; ++d)
      for (const std::int32_t value : {0, 1, 2, 5, 1 << 20})
        change("dim-" + name + "-" + std::to_string(d) + "-" + std::to_string(value),
               [&](sealed_file& f) { f.tensor(i).dims[d] = value; });
    for (std::uint8_t rank = 0; rank < 8; ++rank)
      change("rank-" + name + "-" + std::to_string(rank), [&](sealed_file& f) { f.tensor(i).rank = rank; });
    for (std::uint8_t type = 0; type < 22; ++type)
      change("type-" + name + "-" + std::to_string(type), [&](sealed_file& f) { f.tensor(i).type = type; });
  }
  for (std::uint32_t i = 0; i < graph.index_count; ++i)
    for (std::uint32_t t = 0; t < graph.tensor_count; t += 1 + graph.tensor_count / 16)
      change("index-" + std::to_string(i) + "-" + std::to_string(t), [&](sealed_file& f) { f.index(i) = t; });
}

/// Lies about size that a trusting loader would allocate, multiply or walk.
template <class Visit>
void sizes(std::span<const std::byte> good, Visit&& visit) {
  constexpr std::uint64_t huge[] = {std::uint64_t{1} << 31, std::uint64_t{1} << 32, (std::uint64_t{1} << 32) + 64,
                                    std::uint64_t{1} << 62, std::uint64_t{1} << 63, ~std::uint64_t{0},
                                    ~std::uint64_t{63},     ~std::uint64_t{0} - 127};
  const auto lie = [&](const std::string& name, auto&& change) {
    sealed_file f(good);
    change(f);
    visit(name, f.seal().bytes(), expect::refused);
  };
  sealed_file original(good);
  const std::uint32_t sections = original.header().section_count, tensors = original.graph().tensor_count;
  for (const std::uint64_t h : huge) {
    const std::string size = std::to_string(h);
    lie("file-size-" + size, [&](sealed_file& f) { f.header().file_size = h; });
    for (std::uint32_t i = 0; i < sections; ++i) {
      lie("section-offset-" + std::to_string(i) + "-" + size, [&](sealed_file& f) { f.section(i).offset = h; });
      lie("section-length-" + std::to_string(i) + "-" + size, [&](sealed_file& f) { f.section(i).length = h; });
      lie("section-wrap-" + std::to_string(i) + "-" + size,
          [&](sealed_file& f) { f.section(i).length = h - f.section(i).offset; });
    }
    for (std::uint32_t i = 0; i < tensors; ++i) {
      lie("tensor-offset-" + std::to_string(i) + "-" + size, [&](sealed_file& f) { f.tensor(i).offset = h; });
      lie("tensor-length-" + std::to_string(i) + "-" + size, [&](sealed_file& f) { f.tensor(i).length = h; });
    }
  }
  for (std::uint32_t i = 0; i < tensors; ++i) {
    lie("shape-product-" + std::to_string(i), [&](sealed_file& f) { f.tensor(i).dims.fill(1 << 24); });
    lie("shape-wrap-" + std::to_string(i), [&](sealed_file& f) {
      f.tensor(i).rank = 6;
      f.tensor(i).dims = {1 << 16, 1 << 16, 1 << 16, 1 << 16, 1, 1};  // 2^64: wraps to zero
    });
    sealed_file huge_dim(good);  // an input may honestly be this large
    huge_dim.tensor(i).dims[0] = 1 << 24;
    visit("shape-huge-" + std::to_string(i), huge_dim.seal().bytes(), expect::safe);
  }
  for (std::uint32_t i = 0; i < original.graph().index_count; ++i)
    for (const std::uint32_t index : {tensors, 0x7FFF'FFFFu, 0xFFFF'FFFEu})
      lie("index-" + std::to_string(i) + "-" + std::to_string(index), [&](sealed_file& f) { f.index(i) = index; });
}

/// VARIANTS: every word and byte of its tables, and each of its lengths, with the values that break size arithmetic and
/// the order of ranges. What still opens is put together and run by exercise().
template <class Visit>
void levels(const std::string& name, std::span<const std::byte> good, Visit&& visit) {
  sealed_file original(good);
  const dsmm::format::section section = original.section(dsmm::format::section_kind::variants);
  dsmm::format::variants_header header;
  std::memcpy(&header, good.data() + section.offset, sizeof(header));
  const std::size_t tables = 32 + 96 * std::size_t{header.level_count} + 16 * std::size_t{header.piece_count} +
                             8 * std::size_t{header.range_count};
  const auto change = [&](const std::string& what, std::size_t at, const void* value, std::size_t size) {
    sealed_file f(good);
    std::memcpy(f.bytes().data() + section.offset + at, value, size);
    visit(name + what + "-" + std::to_string(at), f.seal().bytes(), expect::safe);
  };
  for (std::size_t i = 0; i + 4 <= tables; i += 4)
    for (const std::uint32_t value : {0u, 1u, 2u, 3u, 15u, 16u, 64u, 65'536u, 0x7FFF'FFFFu, 0x8000'0000u, 0xFFFF'FFFFu,
                                      0x3F00'0000u, 0x7F80'0000u})
      change("-word-" + std::to_string(value), i, &value, 4);
  for (std::size_t i = 0; i < tables; ++i)
    for (const int add : {1, -1, 128}) {
      const auto value = static_cast<std::byte>(std::to_integer<int>(good[section.offset + i]) + add);
      change("-byte" + std::to_string(add), i, &value, 1);
    }
  for (std::size_t i = tables; i < section.length; i += 3) {  // graphs and pieces of the levels
    const auto value = static_cast<std::byte>(std::to_integer<int>(good[section.offset + i]) ^ 0x81);
    change("-own", i, &value, 1);
  }
  for (std::size_t length = 1; length < section.length; length += 7) {
    sealed_file f(good, section.offset + length);
    f.header().file_size = section.offset + length;
    f.section(dsmm::format::section_kind::variants).length = length;
    visit(name + "-cut-" + std::to_string(length), f.seal().bytes(), expect::refused);
  }
}

template <class Visit>
void all(Visit&& visit) {
  const dsmm::file_bytes good = every_op::file();
  sizes(good.bytes(), visit);
  truncations(good.bytes(), visit);
  words(good.bytes(), visit);
  bytes(good.bytes(), visit);
  if (const auto picture = samples::picture_net(20).finish()) words(picture->bytes(), visit);
  if (const auto line = nested_model::line_file()) levels("line", line->bytes(), visit);
  if (const auto dense = nested_model::dense_file()) levels("dense", dense->bytes(), visit);
  if (const auto general = general_model::writer().finish()) rows(general->bytes(), visit);
}

}  // namespace hostile
