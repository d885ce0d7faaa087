// SPDX-License-Identifier: Apache-2.0
#include "tools/netron.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <vector>

#include "dsmm/core/dtype.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

using json = nlohmann::ordered_json;

struct op_names {
  op_kind kind;
  const char* category;  ///< decides the colour in the viewer
  std::array<const char*, 9> inputs;
  std::array<const char*, 10> attributes;
};

constexpr op_names names[] = {
    {op_kind::conv2d,
     "Layer",
     {"x", "w", "bias", "scale"},
     {"stride_h", "stride_w", "pad_top", "pad_left", "pad_bottom", "pad_right", "dilation_h", "dilation_w", "groups",
      "relu"}},
    {op_kind::dwconv2d,
     "Layer",
     {"x", "w", "bias", "scale"},
     {"stride_h", "stride_w", "pad_top", "pad_left", "pad_bottom", "pad_right", "dilation_h", "dilation_w", "relu"}},
    {op_kind::linear, "Layer", {"x", "w", "bias", "scale"}, {"relu"}},
    {op_kind::causal_conv1d, "Layer", {"x", "w", "bias", "scale", "past"}, {"dilation", "relu"}},
    {op_kind::max_pool,
     "Pool",
     {"x"},
     {"kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left", "pad_bottom", "pad_right"}},
    {op_kind::avg_pool,
     "Pool",
     {"x"},
     {"kernel_h", "kernel_w", "stride_h", "stride_w", "pad_top", "pad_left", "pad_bottom", "pad_right"}},
    {op_kind::add, "", {"a", "b"}, {"relu"}},
    {op_kind::mul, "", {"a", "b"}, {"relu"}},
    {op_kind::concat, "Tensor", {}, {"axis"}},
    {op_kind::resize, "Shape", {"x"}, {"mode", "out_h", "out_w"}},
    {op_kind::softmax, "Activation", {"x"}, {}},
    {op_kind::layer_norm, "Normalization", {"x", "gamma", "beta"}, {"epsilon"}},
    {op_kind::attention,
     "Attention",
     {"q", "k", "v", "r", "rb", "levels", "powers", "bias", "kinds"},
     {"heads", "causal"}},
    {op_kind::lut, "Activation", {"x", "table"}, {}},
    {op_kind::append, "Data", {"x", "state"}, {}},
    {op_kind::spectral, "Layer", {"x", "past", "window", "edges"}, {}},
    {op_kind::quantize, "Quantization", {"x", "scale", "offset"}, {}},
    {op_kind::dequantize, "Quantization", {"x"}, {}},
    {op_kind::select, "Control", {"flag", "x", "otherwise"}, {}},
    {op_kind::calibrate, "Activation", {"x", "knots"}, {}},
    {op_kind::reduce, "", {"x"}, {"mode"}},
    {op_kind::quantize_planes, "Quantization", {"x", "scale", "offset"}, {}},
};
static_assert(std::size(names) == std::size(op_signatures));

const op_names* names_of(op_kind kind) noexcept {
  for (const op_names& n : names)
    if (n.kind == kind) return &n;
  return nullptr;
}

std::string text(std::string_view view) { return std::string(view); }

json type_of(const format::tensor_row& t) {
  std::vector<std::int32_t> dims(t.dims.begin(), t.dims.begin() + t.rank);
  std::string type = to_string(static_cast<dtype>(t.type));
  if (static_cast<dtype>(t.type) == dtype::u8)
    type += " " + json(t.scale).dump() + " * (q - " + std::to_string(t.zero_point) + ") ";
  return {{"dataType", type}, {"shape", {{"dimensions", dims}}}};
}

json arguments_of(const model& m) {
  json out = json::array();
  for (std::size_t i = 0; i < m.tensors().size(); ++i) {
    const format::tensor_row& t = m.tensors()[i];
    const std::string_view name = m.name(t.name);
    json value = {{"name", name.empty() ? "%" + std::to_string(i) : text(name)}, {"type", type_of(t)}};
    if (t.kind == format::tensor_kind::constant) value["initializer"] = {{"type", type_of(t)}};
    out.push_back(std::move(value));
  }
  return out;
}

json node_of(const model& m, const format::op_row& op) {
  const auto kind = static_cast<op_kind>(op.kind);
  const op_signature& signature = *find_signature(op.kind);
  json inputs = json::array(), outputs = json::array(), attributes = json::array();
  for (std::uint32_t i = 0; i < op.input_count; ++i)
    if (m.inputs(op)[i] != format::no_tensor)
      inputs.push_back({{"name", input_name(kind, i)}, {"value", json::array({m.inputs(op)[i]})}});
  for (const std::uint32_t t : m.outputs(op)) outputs.push_back({{"name", "y"}, {"value", json::array({t})}});
  for (std::uint32_t i = 0; i < signature.attributes; ++i) {
    const std::int32_t value = m.attributes()[op.first_attribute + i];
    const bool real = kind == op_kind::layer_norm;
    attributes.push_back(
        {{"name", attribute_name(kind, i)}, {"value", real ? json(std::bit_cast<float>(value)) : json(value)}});
  }
  return {{"name", text(m.name(op.name))},
          {"type", {{"name", signature.name}, {"category", names_of(kind)->category}}},
          {"inputs", std::move(inputs)},
          {"outputs", std::move(outputs)},
          {"attributes", std::move(attributes)}};
}

json module_of(const model& m, const format::program_row& program) {
  json nodes = json::array(), inputs = json::array(), outputs = json::array();
  std::vector<bool> seen(m.tensors().size());
  const auto port = [&](std::uint32_t t, json& list) {
    if (seen[t]) return;
    seen[t] = true;
    list.push_back({{"name", text(m.name(m.tensors()[t].name))}, {"value", json::array({t})}});
  };
  for (const format::op_row& op : m.ops(program)) {
    nodes.push_back(node_of(m, op));
    for (const std::uint32_t t : m.inputs(op))
      if (t != format::no_tensor &&
          (m.tensors()[t].kind == format::tensor_kind::input || m.tensors()[t].kind == format::tensor_kind::state))
        port(t, inputs);
    for (const std::uint32_t t : m.outputs(op))
      if (m.tensors()[t].kind == format::tensor_kind::output) port(t, outputs);
  }
  return {{"name", text(m.name(program.name))},
          {"values", arguments_of(m)},
          {"inputs", std::move(inputs)},
          {"outputs", std::move(outputs)},
          {"nodes", std::move(nodes)}};
}

}  // namespace

const char* attribute_name(op_kind kind, std::uint32_t index) noexcept {
  const op_names* n = names_of(kind);
  return n != nullptr && index < n->attributes.size() && n->attributes[index] != nullptr ? n->attributes[index] : "";
}

const char* input_name(op_kind kind, std::uint32_t index) noexcept {
  const op_names* n = names_of(kind);
  return n != nullptr && index < n->inputs.size() && n->inputs[index] != nullptr ? n->inputs[index] : "x";
}

json to_netron(const model& m) {
  json metadata = json::array(), modules = json::array();
  for (std::string_view rest = m.meta(); !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    const std::size_t equals = line.find('=');
    metadata.push_back({{"name", text(line.substr(0, equals))}, {"value", text(line.substr(equals + 1))}});
  }
  for (const format::program_row& p : m.programs()) modules.push_back(module_of(m, p));
  return {{"signature", "netron:dsmm"},
          {"format", "dsmm " + std::to_string(format::major_version) + "." + std::to_string(format::minor_version)},
          {"version", text(m.meta("version").value_or(""))},
          {"description", "identity " + std::string(m.short_identity().data())},
          {"metadata", std::move(metadata)},
          {"modules", std::move(modules)}};
}

}  // namespace dsmm::inline DSMM_ABI::tools
