// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/sha256_digest.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model_rows.hpp"

namespace dsmm::inline DSMM_ABI {

/// A verified .dsmm file: a view on the caller's bytes, which must outlive it and stay unchanged. Cheap to copy; owns
/// nothing, allocates nothing. There is no other way to a model than through the verifier, so every index, shape and
/// range that it hands out has been checked.
class model {
public:
  /// Verifies the whole file, which must start at a multiple of 64 (read_file() does).
  /// Errors: every code of the verifier (model/verify.hpp); invalid_argument for bytes that are not aligned.
  /// Cost: one SHA-256 of the file and one pass over its tables and weights.
  static result<model> open(std::span<const std::byte> file) noexcept;

  std::span<const format::tensor_row> tensors() const noexcept { return rows_.tensors; }
  std::span<const format::op_row> ops() const noexcept { return rows_.ops; }
  std::span<const format::program_row> programs() const noexcept { return rows_.programs; }
  std::span<const std::uint32_t> indices() const noexcept { return rows_.indices; }
  std::span<const std::int32_t> attributes() const noexcept { return rows_.attributes; }
  std::span<const format::self_test_row> self_tests() const noexcept { return rows_.self_tests; }
  /// Smaller networks in the same file, largest first; model/levels.hpp makes models of them.
  std::span<const format::level_row> levels() const noexcept { return rows_.variants.levels; }
  /// The tables as the verifier cut them.
  const model_rows& rows() const noexcept { return rows_; }
  std::span<const format::section> sections() const noexcept { return rows_.sections; }
  std::span<const std::byte> file() const noexcept { return file_; }

  std::span<const std::uint32_t> inputs(const format::op_row& op) const noexcept { return rows_.inputs(op); }
  std::span<const std::uint32_t> outputs(const format::op_row& op) const noexcept { return rows_.outputs(op); }
  /// The ops of a program, in the order in which they run.
  std::span<const format::op_row> ops(const format::program_row& p) const noexcept {
    return rows_.ops.subspan(p.first_op, p.op_count);
  }

  std::string_view name(format::string_ref ref) const noexcept { return rows_.name(ref); }
  /// Bytes of a constant; empty for any other kind of tensor.
  std::span<const std::byte> constant(std::uint32_t tensor) const noexcept {
    const format::tensor_row& t = rows_.tensors[tensor];
    if (t.kind != format::tensor_kind::constant) return {};
    return rows_.weights.subspan(static_cast<std::size_t>(t.offset), static_cast<std::size_t>(t.length));
  }

  std::optional<std::uint32_t> find_program(std::string_view name) const noexcept {
    for (std::uint32_t i = 0; i < rows_.programs.size(); ++i)
      if (rows_.name(rows_.programs[i].name) == name) return i;
    return std::nullopt;
  }
  /// The input, output or state of that name; their names are unique. Values and constants are named for people only.
  std::optional<std::uint32_t> find_tensor(std::string_view name) const noexcept {
    for (std::uint32_t i = 0; i < rows_.tensors.size(); ++i)
      if (format::is_port(rows_.tensors[i].kind) && rows_.name(rows_.tensors[i].name) == name) return i;
    return std::nullopt;
  }
  /// The value of a META line `key=value`; nullopt if there is none.
  std::optional<std::string_view> meta(std::string_view key) const noexcept {
    for (std::string_view rest = rows_.meta; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n'));
      if (line.size() > key.size() && line[key.size()] == '=' && line.starts_with(key))
        return line.substr(key.size() + 1);
      rest.remove_prefix(line.size() < rest.size() ? line.size() + 1 : line.size());
    }
    return std::nullopt;
  }
  /// All META lines.
  std::string_view meta() const noexcept { return rows_.meta; }

  /// What the file is, down to the last bit: the SHA-256 of its section table, which holds the hash of every section.
  const sha256_digest& identity() const noexcept { return rows_.header->table_hash; }
  /// The first 16 hexadecimal digits of identity(), zero-terminated, for logs and screens.
  std::array<char, 17> short_identity() const noexcept {
    std::array<char, 17> text{};
    for (std::size_t i = 0; i < 16; ++i) text[i] = "0123456789abcdef"[identity()[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15];
    return text;
  }

private:
  model(const model_rows& rows, std::span<const std::byte> file) noexcept : rows_(rows), file_(file) {}

  model_rows rows_;
  std::span<const std::byte> file_;
};

}  // namespace dsmm::inline DSMM_ABI

#if !DSMM_COMPILED
#include "dsmm/model/model.inl.hpp"
#endif
