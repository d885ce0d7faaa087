// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/model/container_layout.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI {

/// Builds a .dsmm file; for converters and tests, not for the line: it allocates freely.
/// Calls return indices and never fail; finish() runs the verifier over what was built, so that a mistake is reported
/// there with its row and name. The same calls in the same order give the same bytes.
class model_writer {
public:
  /// Activations: shape (H, W, C); `q` matters for u8 only.
  std::uint32_t input(std::string_view name, dtype type, extents shape, quantization q = {}) {
    return activation(format::tensor_kind::input, name, type, shape, q);
  }
  std::uint32_t value(std::string_view name, dtype type, extents shape, quantization q = {}) {
    return activation(format::tensor_kind::value, name, type, shape, q);
  }
  std::uint32_t output(std::string_view name, dtype type, extents shape, quantization q = {}) {
    return activation(format::tensor_kind::output, name, type, shape, q);
  }
  /// A ring of shape.h rows.
  std::uint32_t state(std::string_view name, dtype type, extents shape, quantization q = {}) {
    return activation(format::tensor_kind::state, name, type, shape, q);
  }

  /// A plain tensor of general operators: dense, row-major, rank 0 to 6.
  std::uint32_t plain(format::tensor_kind kind, std::string_view name, dtype type,
                      std::span<const std::int32_t> dims) {
    format::tensor_row row = blank(kind, name, type, {});
    row.rank = static_cast<std::uint8_t>(dims.size());
    for (std::size_t i = 0; i < dims.size() && i < format::max_rank; ++i) row.dims[i] = dims[i];
    return push(row);
  }

  /// Bytes as they lie in the file. group: i4s only. q: u8 only.
  std::uint32_t constant(std::string_view name, dtype type, std::span<const std::int32_t> dims,
                         std::span<const std::byte> bytes, std::uint32_t group = 0, quantization q = {}) {
    format::tensor_row row = blank(format::tensor_kind::constant, name, type, q);
    row.rank = static_cast<std::uint8_t>(dims.size());
    for (std::size_t i = 0; i < dims.size() && i < format::max_rank; ++i) row.dims[i] = dims[i];
    row.group = group;
    weights_.resize(round_up(weights_.size(), format::alignment));
    row.offset = weights_.size();
    row.length = bytes.size();
    weights_.insert(weights_.end(), bytes.begin(), bytes.end());
    return push(row);
  }
  /// A constant of f32, s32 or s8 values.
  template <class T>
  std::uint32_t constant(std::string_view name, std::initializer_list<std::int32_t> dims, std::span<const T> values) {
    static_assert(std::is_same_v<T, float> || std::is_same_v<T, std::int32_t> || std::is_same_v<T, std::int8_t>);
    constexpr dtype type = std::is_same_v<T, float>         ? dtype::f32
                           : std::is_same_v<T, std::int8_t> ? dtype::s8
                                                            : dtype::s32;
    return constant(name, type, std::span(dims.begin(), dims.size()), std::as_bytes(values));
  }

  /// Ops that follow belong to this program.
  void program(std::string_view name) {
    programs_.push_back({string(name), static_cast<std::uint32_t>(ops_.size()), 0});
  }

  /// Attributes in the order of docs/ops.md; an f32 attribute as its bits.
  void op(op_kind kind, std::string_view name, std::span<const std::uint32_t> inputs,
          std::span<const std::uint32_t> outputs, std::span<const std::int32_t> attributes = {}) {
    format::op_row row{};
    is_general_ = is_general_ || is_general(static_cast<std::uint32_t>(kind));
    row.kind = static_cast<std::uint32_t>(kind);
    row.name = string(name);
    row.first_input = append(indices_, inputs);
    row.input_count = static_cast<std::uint32_t>(inputs.size());
    row.first_output = append(indices_, outputs);
    row.output_count = static_cast<std::uint32_t>(outputs.size());
    row.first_attribute = append(attributes_, attributes);
    ops_.push_back(row);
    if (!programs_.empty()) ++programs_.back().op_count;
  }
  void op(op_kind kind, std::string_view name, std::initializer_list<std::uint32_t> inputs,
          std::initializer_list<std::uint32_t> outputs, std::initializer_list<std::int32_t> attributes = {}) {
    op(kind, name, std::span(inputs.begin(), inputs.size()), std::span(outputs.begin(), outputs.size()),
       std::span(attributes.begin(), attributes.size()));
  }

  /// One line of META; a second value for a key replaces the first.
  void meta(std::string_view key, std::string_view value) {
    meta_.insert_or_assign(std::string(key), std::string(value));
  }

  void self_test(std::uint32_t program, std::uint32_t runs, std::uint64_t seed, const sha256_digest& hash) {
    self_tests_.push_back({program, runs, seed, hash});
  }

  /// The file, verified. Errors: as model::open(). May be called again after more calls.
  result<file_bytes> finish() const {
    const std::vector<std::byte> graph = graph_section();
    std::string meta;
    for (const auto& [key, value] : meta_) meta.append(key).append("=").append(value).append("\n");
    const std::pair<format::section_kind, std::span<const std::byte>> parts[] = {
        {format::section_kind::graph, graph},
        {format::section_kind::strings, std::as_bytes(std::span(strings_))},
        {format::section_kind::weights, weights_},
        {format::section_kind::meta, std::as_bytes(std::span(meta))},
        {format::section_kind::selftest, std::as_bytes(std::span(self_tests_))}};
    container_layout layout;
    for (const auto& [kind, bytes] : parts) layout.add(kind, bytes.size());
    const std::uint64_t end = layout.place();
    result<file_bytes> file = file_bytes::allocate(end);
    if (!file) return file.error();
    const std::span<std::byte> out = file->bytes();
    std::memset(out.data(), 0, end);
    for (const auto& [kind, bytes] : parts) layout.copy(out, kind, bytes);
    layout.seal(out, is_general_ ? format::minor_version : std::uint16_t{0});  // older versions read what they can
    if (const result<model> check = model::open(out); !check) return check.error();
    return file;
  }

private:
  format::tensor_row blank(format::tensor_kind kind, std::string_view name, dtype type, quantization q) {
    format::tensor_row row{};
    row.name = string(name);
    row.type = static_cast<std::uint8_t>(type);
    row.kind = kind;
    row.dims.fill(1);
    if (type == dtype::u8) row.scale = q.scale, row.zero_point = q.zero_point;
    return row;
  }
  std::uint32_t activation(format::tensor_kind kind, std::string_view name, dtype type, extents shape, quantization q) {
    format::tensor_row row = blank(kind, name, type, q);
    row.rank = 3;
    row.dims = {shape.h, shape.w, shape.c, 1, 1, 1};
    return push(row);
  }
  std::uint32_t push(const format::tensor_row& row) {
    tensors_.push_back(row);
    return static_cast<std::uint32_t>(tensors_.size() - 1);
  }

  /// Each distinct name is stored once.
  format::string_ref string(std::string_view text) {
    const auto length = static_cast<std::uint32_t>(text.size());
    const auto [known, is_new] = known_.try_emplace(std::string(text), static_cast<std::uint32_t>(strings_.size()));
    if (is_new) strings_ += text;
    return {known->second, length};
  }

  template <class T>
  static std::uint32_t append(std::vector<T>& table, std::span<const T> values) {
    const auto first = static_cast<std::uint32_t>(table.size());
    table.insert(table.end(), values.begin(), values.end());
    return first;
  }

  std::vector<std::byte> graph_section() const {
    const format::graph_header header{
        static_cast<std::uint32_t>(tensors_.size()),    static_cast<std::uint32_t>(ops_.size()),
        static_cast<std::uint32_t>(programs_.size()),   static_cast<std::uint32_t>(indices_.size()),
        static_cast<std::uint32_t>(attributes_.size()), {}};
    std::vector<std::byte> out;
    const auto add = [&](std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); };
    add(std::as_bytes(std::span(&header, 1)));
    add(std::as_bytes(std::span(tensors_)));
    add(std::as_bytes(std::span(ops_)));
    add(std::as_bytes(std::span(programs_)));
    add(std::as_bytes(std::span(indices_)));
    add(std::as_bytes(std::span(attributes_)));
    return out;
  }

  std::vector<format::tensor_row> tensors_;
  std::vector<format::op_row> ops_;
  std::vector<format::program_row> programs_;
  std::vector<std::uint32_t> indices_;
  std::vector<std::int32_t> attributes_;
  std::vector<format::self_test_row> self_tests_;
  std::vector<std::byte> weights_;
  std::string strings_;
  bool is_general_ = false;
  std::map<std::string, std::uint32_t, std::less<>> known_;
  std::map<std::string, std::string, std::less<>> meta_;
};

}  // namespace dsmm::inline DSMM_ABI
