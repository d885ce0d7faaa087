// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"

/// An ONNX file as it was read: names and raw data look at the bytes of the file, which must outlive all of this.
namespace dsmm::inline DSMM_ABI::convert::onnx {

/// Caps: what no sane model exceeds. A file may claim more; it is then refused, not served.
inline constexpr std::size_t max_depth = 16;       ///< graphs inside attributes of graphs
inline constexpr std::size_t max_nodes = 65'536;  ///< of all graphs of a file together
inline constexpr std::size_t max_rank = 8;
inline constexpr std::size_t max_name = 4'096;
inline constexpr std::uint64_t max_tensor_bytes = std::uint64_t{1} << 32;

/// A constant. `bytes` are as dsmm lays tensors out: dense, row-major, little-endian, one byte per 4-bit value.
struct tensor {
  std::string_view name;
  dtype type = dtype::f32;
  std::vector<std::int64_t> dims;  ///< each >= 0
  std::span<const std::byte> bytes;
  std::shared_ptr<const std::vector<std::byte>> owned;  ///< set if `bytes` do not lie in the file
};

struct graph;

enum class attribute_kind : std::uint8_t { real = 1, integer, text, tensor, graph, reals, integers, texts, other };

struct attribute {
  std::string_view name;
  attribute_kind kind = attribute_kind::other;
  std::string_view reference;  ///< attribute of the enclosing function that gives the value
  float real = 0;
  std::int64_t integer = 0;
  std::string_view text;
  std::vector<float> reals;
  std::vector<std::int64_t> integers;
  std::vector<std::string_view> texts;
  std::shared_ptr<const onnx::tensor> tensor;
  std::shared_ptr<const onnx::graph> graph;
};

struct node {
  std::string_view name, op, domain;              ///< domain "" is ai.onnx
  std::vector<std::string_view> inputs, outputs;  ///< "" marks an absent one
  std::vector<attribute> attributes;

  const attribute* find(std::string_view wanted) const noexcept {
    for (const attribute& a : attributes)
      if (a.name == wanted) return &a;
    return nullptr;
  }
};

/// Declared type of an input or output. A dimension is a number, or a symbol, or (-1, "") if nothing is known.
struct value_info {
  struct dimension {
    std::int64_t value = -1;
    std::string_view symbol;
  };
  std::string_view name;
  std::optional<dtype> type;  ///< nullopt: not a tensor, or an element type that dsmm does not have
  std::int32_t onnx_type = 0;
  bool has_shape = false;
  std::vector<dimension> dims;
};

struct graph {
  std::string_view name;
  std::vector<node> nodes;
  std::vector<tensor> initializers;
  std::vector<value_info> inputs, outputs;
};

struct opset {
  std::string_view domain;
  std::int64_t version = 0;
};

/// A function that the file brings along; a node whose op and domain name it stands for its nodes.
struct function {
  std::string_view name, domain;
  std::vector<std::string_view> inputs, outputs;
  std::vector<node> nodes;
  std::vector<opset> opsets;
  std::vector<attribute> defaults;
};

struct model {
  std::string_view producer, producer_version;
  std::int64_t ir_version = 0;
  std::vector<opset> opsets;
  std::vector<function> functions;
  onnx::graph graph;
};

/// Version of a domain that a list imports; 0 if it is not in it.
inline std::int64_t version_of(std::span<const opset> opsets, std::string_view domain) noexcept {
  for (const opset& o : opsets)
    if (o.domain == domain || (domain.empty() && o.domain == "ai.onnx")) return o.version;
  return 0;
}

}  // namespace dsmm::inline DSMM_ABI::convert::onnx
