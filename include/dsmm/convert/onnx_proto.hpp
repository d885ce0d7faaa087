// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/onnx_graph.hpp"
#include "dsmm/convert/onnx_tensor.hpp"
#include "dsmm/convert/utf8.hpp"
#include "dsmm/convert/wire.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert::onnx {

/// Decodes the messages of onnx.proto into the structures of onnx_graph.hpp. Field numbers are those of onnx.proto.
class proto_reader {
public:
  explicit proto_reader(const external_folder* folder) noexcept : folder_(folder) {}

  result<model> read_model(std::span<const std::byte> file) {
    model out;
    bool has_graph = false;
    wire_reader reader(file);
    for (wire_field f; reader.next(f);) {
      result<void> ok;
      switch (f.number) {
        case 1: out.ir_version = f.integer(); break;
        case 2: ok = name(f, out.producer); break;
        case 3: ok = name(f, out.producer_version); break;
        case 7:
          if (has_graph) return failure{errc::bad_value, "ONNX: the file has two graphs", f.where};
          has_graph = true;
          ok = read_graph(f, out.graph, 0);
          break;
        case 8: ok = read_opset(f, out.opsets); break;
        case 25: ok = read_function(f, out.functions); break;
        default: break;
      }
      if (!ok) return ok.error();
    }
    if (reader.failed()) return reader.error();
    if (!has_graph) return failure{errc::bad_magic, "this is not an ONNX file: it has no graph"};
    return out;
  }

private:
  /// Field 7 as a varint and the like: a message was declared as something else.
  static result<void> need(const wire_field& f, wire_type type) noexcept {
    if (f.type == type) return {};
    return failure{errc::bad_value, "ONNX: a field has the wrong wire type", f.where};
  }

  static result<void> name(const wire_field& f, std::string_view& to) {
    if (auto ok = need(f, wire_type::bytes); !ok) return ok;
    if (f.bytes.size() > max_name) return failure{errc::too_large, "ONNX: a name is longer than 4096 bytes", f.where};
    if (!is_utf8(f.text()))
      return failure{errc::bad_value, "ONNX: a name is not UTF-8", f.where}.named(f.text().data(), f.text().size());
    to = f.text();
    return {};
  }
  static result<void> names(const wire_field& f, std::vector<std::string_view>& to) {
    to.emplace_back();
    return name(f, to.back());
  }

  static result<void> read_opset(const wire_field& message, std::vector<opset>& to) {
    opset out;
    wire_reader reader(message);
    for (wire_field f; reader.next(f);) {
      if (f.number == 1)
        if (auto ok = name(f, out.domain); !ok) return ok;
      if (f.number == 2) out.version = f.integer();
    }
    if (reader.failed()) return reader.error();
    if (to.size() == 64) return failure{errc::too_large, "ONNX: the file imports over 64 operator sets", message.where};
    to.push_back(out);
    return {};
  }

  result<void> read_function(const wire_field& message, std::vector<function>& to) {
    function out;
    wire_reader reader(message);
    for (wire_field f; reader.next(f);) {
      result<void> ok;
      switch (f.number) {
        case 1: ok = name(f, out.name); break;
        case 4: ok = names(f, out.inputs); break;
        case 5: ok = names(f, out.outputs); break;
        case 7: ok = read_node(f, out.nodes, 0); break;
        case 9: ok = read_opset(f, out.opsets); break;
        case 10: ok = name(f, out.domain); break;
        case 11: ok = read_attribute(f, out.defaults, 0); break;
        default: break;
      }
      if (!ok) return ok;
    }
    if (reader.failed()) return reader.error();
    if (to.size() == 4'096) return failure{errc::too_large, "ONNX: the file has over 4096 functions", message.where};
    to.push_back(std::move(out));
    return {};
  }

  result<void> read_graph(const wire_field& message, graph& out, std::size_t depth) {
    if (auto ok = need(message, wire_type::bytes); !ok) return ok;
    if (depth > max_depth) return failure{errc::too_large, "ONNX: graphs are nested over 16 deep", message.where};
    wire_reader reader(message);
    for (wire_field f; reader.next(f);) {
      result<void> ok;
      switch (f.number) {
        case 1: ok = read_node(f, out.nodes, depth); break;
        case 2: ok = name(f, out.name); break;
        case 5: ok = read_initializer(f, out.initializers); break;
        case 11: ok = read_info(f, out.inputs); break;
        case 12: ok = read_info(f, out.outputs); break;
        case 15: return failure{errc::unsupported, "ONNX: sparse initializers are not supported", f.where};
        default: break;
      }
      if (!ok) return ok;
    }
    if (reader.failed()) return reader.error();
    return {};
  }

  result<void> read_initializer(const wire_field& f, std::vector<tensor>& to) {
    auto t = read(f);
    if (!t) return t.error();
    to.push_back(std::move(*t));
    return {};
  }

  result<tensor> read(const wire_field& f) {
    if (auto ok = need(f, wire_type::bytes); !ok) return ok.error();
    if (++tensors_ > max_nodes) return failure{errc::too_large, "ONNX: the file has too many tensors", f.where};
    return read_tensor(f, folder_);
  }

  result<void> read_node(const wire_field& message, std::vector<node>& to, std::size_t depth) {
    if (auto ok = need(message, wire_type::bytes); !ok) return ok;
    if (++nodes_ > max_nodes) return failure{errc::too_large, "ONNX: the file has over 65536 nodes", message.where};
    node out;
    wire_reader reader(message);
    for (wire_field f; reader.next(f);) {
      result<void> ok;
      switch (f.number) {
        case 1: ok = names(f, out.inputs); break;
        case 2: ok = names(f, out.outputs); break;
        case 3: ok = name(f, out.name); break;
        case 4: ok = name(f, out.op); break;
        case 5: ok = read_attribute(f, out.attributes, depth); break;
        case 7: ok = name(f, out.domain); break;
        default: break;
      }
      if (!ok) {
        if (ok.error().name[0] != '\0') return ok;
        return ok.error().named(label(out).data(), label(out).size());
      }
    }
    if (reader.failed()) return reader.error();
    if (out.inputs.size() > 4'096 || out.outputs.size() > 4'096)
      return failure{errc::too_large, "ONNX: a node has over 4096 inputs or outputs", message.where};
    if (out.domain == "ai.onnx") out.domain = {};
    to.push_back(std::move(out));
    return {};
  }
  static std::string_view label(const node& n) noexcept { return n.name.empty() ? n.op : n.name; }

  result<void> read_attribute(const wire_field& message, std::vector<attribute>& to, std::size_t depth) {
    if (auto ok = need(message, wire_type::bytes); !ok) return ok;
    attribute out;
    std::int64_t declared = 0;
    std::uint32_t set = 0;  // the one value field that is set
    wire_reader reader(message);
    for (wire_field f; reader.next(f);) {
      result<void> ok;
      std::uint32_t value = f.number;
      switch (f.number) {
        case 1: ok = name(f, out.name), value = 0; break;
        case 2: ok = need(f, wire_type::fixed32), out.real = f.real(); break;
        case 3: ok = need(f, wire_type::varint), out.integer = f.integer(); break;
        case 4: ok = need(f, wire_type::bytes), out.text = f.text(); break;
        case 5: ok = read_value(f, out.tensor); break;
        case 6: ok = read_value(f, out.graph, depth + 1); break;
        case 7: ok = append_reals(f, out.reals); break;
        case 8: ok = append_integers(f, out.integers); break;
        case 9: ok = names(f, out.texts); break;
        case 20: declared = f.integer(), value = 0; break;
        case 21: ok = name(f, out.reference), value = 0; break;
        default: value = f.number == 13 ? 0 : value; break;
      }
      if (!ok) return ok;
      if (value != 0 && set != 0 && set != value)
        return failure{errc::bad_value, "ONNX: an attribute has two values; readers would disagree", f.where};
      if (value != 0) set = value;
    }
    if (reader.failed()) return reader.error();
    out.kind = declared >= 1 && declared <= 8 ? static_cast<attribute_kind>(declared) : kind_of(set);
    if (to.size() == 256) return failure{errc::too_large, "ONNX: a node has over 256 attributes", message.where};
    for (const attribute& a : to)
      if (a.name == out.name) return failure{errc::bad_value, "ONNX: an attribute is given twice", message.where};
    to.push_back(std::move(out));
    return {};
  }
  /// Old files carry no attribute type: the field that is set tells.
  static attribute_kind kind_of(std::uint32_t field) noexcept {
    return field >= 2 && field <= 9 ? static_cast<attribute_kind>(field - 1) : attribute_kind::other;
  }

  result<void> read_value(const wire_field& f, std::shared_ptr<const tensor>& to) {
    auto t = read(f);
    if (t) to = std::make_shared<const tensor>(std::move(*t));
    else if (t.error().code != errc::unsupported) return t.error();  // unknown types matter only if the value is used
    return {};
  }
  result<void> read_value(const wire_field& f, std::shared_ptr<const graph>& to, std::size_t depth) {
    auto g = std::make_shared<graph>();
    if (auto ok = read_graph(f, *g, depth); !ok) return ok;
    to = std::move(g);
    return {};
  }

  result<void> read_info(const wire_field& message, std::vector<value_info>& to) {
    if (auto ok = need(message, wire_type::bytes); !ok) return ok;
    value_info out;
    wire_reader reader(message);
    for (wire_field f; reader.next(f);) {
      result<void> ok;
      if (f.number == 1) ok = name(f, out.name);
      if (f.number == 2) ok = read_type(f, out);
      if (!ok) return ok;
    }
    if (reader.failed()) return reader.error();
    if (to.size() == max_nodes) return failure{errc::too_large, "ONNX: the graph has too many inputs", message.where};
    to.push_back(std::move(out));
    return {};
  }

  static result<void> read_type(const wire_field& message, value_info& out) {
    wire_reader type(message);
    for (wire_field f; type.next(f);) {
      if (f.number != 1 || f.type != wire_type::bytes) continue;  // sequence, map, optional: no tensor
      wire_reader tensor(f);
      for (wire_field t; tensor.next(t);) {
        if (t.number == 1) {
          out.onnx_type = static_cast<std::int32_t>(t.value);
          if (const type_row* row = find_type(t.integer())) out.type = row->type;
        }
        if (t.number == 2 && t.type == wire_type::bytes)
          if (auto ok = read_shape(t, out); !ok) return ok;
      }
      if (tensor.failed()) return tensor.error();
    }
    if (type.failed()) return type.error();
    return {};
  }

  static result<void> read_shape(const wire_field& message, value_info& out) {
    out.has_shape = true;
    wire_reader shape(message);
    for (wire_field f; shape.next(f);) {
      if (f.number != 1 || f.type != wire_type::bytes) continue;
      value_info::dimension d;
      wire_reader dim(f);
      for (wire_field v; dim.next(v);) {
        if (v.is(1, wire_type::varint)) d.value = v.integer();
        if (v.number == 2)
          if (auto ok = name(v, d.symbol); !ok) return ok;
      }
      if (dim.failed()) return dim.error();
      if (out.dims.size() == max_rank)
        return failure{errc::too_large, "ONNX: an input has over 8 dimensions", message.where};
      out.dims.push_back(d);
    }
    if (shape.failed()) return shape.error();
    return {};
  }

  const external_folder* folder_;
  std::size_t nodes_ = 0, tensors_ = 0;
};

/// Reads an ONNX file. `file` must outlive the model. Errors: those of the wire, of names, caps and tensors.
inline result<model> read_model(std::span<const std::byte> file, const external_folder* folder = nullptr) {
  return proto_reader(folder).read_model(file);
}

/// Reads a file that holds one TensorProto, e.g. of a test data set. Errors: as read_tensor.
inline result<tensor> read_tensor_file(std::span<const std::byte> file) {
  wire_field whole;
  whole.type = wire_type::bytes;
  whole.bytes = file;
  return read_tensor(whole, nullptr);
}

}  // namespace dsmm::inline DSMM_ABI::convert::onnx
