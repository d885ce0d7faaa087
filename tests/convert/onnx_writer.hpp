// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// Writes ONNX files for tests, well-formed or not: each function gives the bytes of one message.
namespace onnx_writer {

using dims = std::vector<std::int64_t>;
using names = std::vector<std::string>;

/// One message: fields are appended in the order of the calls.
class message {
public:
  message& number(std::uint32_t field, std::int64_t value) {
    tag(field, 0);
    varint(static_cast<std::uint64_t>(value));
    return *this;
  }
  message& text(std::uint32_t field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    bytes_.append(value);
    return *this;
  }
  message& real(std::uint32_t field, float value) {
    tag(field, 5);
    bytes_.append(reinterpret_cast<const char*>(&value), 4);
    return *this;
  }
  message& packed(std::uint32_t field, const dims& values) {
    message inner;
    for (const std::int64_t v : values) inner.varint(static_cast<std::uint64_t>(v));
    return text(field, inner.bytes());
  }
  const std::string& bytes() const { return bytes_; }

private:
  void tag(std::uint32_t field, std::uint32_t type) { varint(std::uint64_t{field} << 3 | type); }
  void varint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) bytes_ += static_cast<char>(v | 0x80);
    bytes_ += static_cast<char>(v);
  }
  std::string bytes_;
};

inline std::string tensor(std::string_view name, std::int64_t type, const dims& d, std::string_view raw) {
  message m;
  for (const std::int64_t n : d) m.number(1, n);
  m.number(2, type).text(8, name).text(9, raw);
  return m.bytes();
}
template <class T>
std::string tensor_of(std::string_view name, std::int64_t type, const dims& d, const std::vector<T>& values) {
  return tensor(name, type, d, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}
inline std::string floats(std::string_view name, const dims& d, const std::vector<float>& v) {
  return tensor_of(name, 1, d, v);
}
inline std::string integers(std::string_view name, const dims& v) {
  return tensor_of(name, 7, {static_cast<std::int64_t>(v.size())}, v);
}

/// An attribute of several reals.
inline std::string attribute_reals(const char* name, const std::vector<float>& values) {
  message m;
  m.text(1, name);
  for (const float v : values) m.real(7, v);
  return m.number(20, 6).bytes();
}

inline std::string attribute(std::string_view name, std::int64_t value) {
  return message().text(1, name).number(3, value).number(20, 2).bytes();
}
inline std::string attribute(std::string_view name, const dims& values) {
  message m;
  m.text(1, name);
  for (const std::int64_t v : values) m.number(8, v);
  return m.number(20, 7).bytes();
}
inline std::string attribute_real(std::string_view name, float value) {
  return message().text(1, name).real(2, value).number(20, 1).bytes();
}
inline std::string attribute_text(std::string_view name, std::string_view value) {
  return message().text(1, name).text(4, value).number(20, 3).bytes();
}
inline std::string attribute_tensor(std::string_view name, std::string_view tensor_bytes) {
  return message().text(1, name).text(5, tensor_bytes).number(20, 4).bytes();
}
inline std::string attribute_graph(std::string_view name, std::string_view graph_bytes) {
  return message().text(1, name).text(6, graph_bytes).number(20, 5).bytes();
}

inline std::string node(std::string_view op, const names& in, const names& out, const names& attributes = {},
                        std::string_view domain = {}) {
  message m;
  for (const std::string& n : in) m.text(1, n);
  for (const std::string& n : out) m.text(2, n);
  m.text(3, "node_" + std::string(op)).text(4, op);
  for (const std::string& a : attributes) m.text(5, a);
  if (!domain.empty()) m.text(7, domain);
  return m.bytes();
}

/// A dimension of -1 is the symbol "n".
inline std::string info(std::string_view name, std::int64_t type, const dims& d) {
  message shape;
  for (const std::int64_t n : d) shape.text(1, n < 0 ? message().text(2, "n").bytes() : message().number(1, n).bytes());
  return message()
      .text(1, name)
      .text(2, message().text(1, message().number(1, type).text(2, shape.bytes()).bytes()).bytes())
      .bytes();
}

struct graph_parts {
  names nodes, initializers, inputs, outputs;
};

inline std::string graph(const graph_parts& p) {
  message m;
  for (const std::string& n : p.nodes) m.text(1, n);
  m.text(2, "graph");
  for (const std::string& t : p.initializers) m.text(5, t);
  for (const std::string& i : p.inputs) m.text(11, i);
  for (const std::string& o : p.outputs) m.text(12, o);
  return m.bytes();
}

inline std::string model(const std::string& graph_bytes, std::int64_t opset = 17, const names& functions = {},
                         const std::string& producer = "dsmm tests") {
  message m;
  m.number(1, 8).text(2, producer).text(7, graph_bytes).text(8, message().number(2, opset).bytes());
  for (const std::string& f : functions) m.text(25, f);
  return m.bytes();
}

/// x (dims, f32) through one node to y.
inline std::string one_node(const std::string& node_bytes, const dims& x, const names& initializers = {},
                            std::int64_t opset = 17, const std::string& producer = "dsmm tests") {
  return model(graph({{node_bytes}, initializers, {info("x", 1, x)}, {info("y", 1, {})}}), opset, {}, producer);
}

inline std::span<const std::byte> bytes(const std::string& s) { return std::as_bytes(std::span(s.data(), s.size())); }

}  // namespace onnx_writer
