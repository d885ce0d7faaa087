// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/emit/identifier.hpp"
#include "dsmm/convert/emit/literal.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/embedded.hpp"
#include "dsmm/graph/plan.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/op_kind.hpp"
#include "dsmm/model/verify/tensors.hpp"

namespace dsmm::inline DSMM_ABI::convert {

struct emit_options {
  std::string name;                      ///< of the namespace: an identifier
  ops::find_operator general = nullptr;  ///< where the model has general operators
};

namespace emit_impl {

/// The element type that a caller sees: narrow floats and 4-bit integers as their bits.
constexpr const char* element_of(dtype type) noexcept {
  switch (type) {
    case dtype::f32: return "float";
    case dtype::f64: return "double";
    case dtype::s8:
    case dtype::s4: return "std::int8_t";
    case dtype::s16: return "std::int16_t";
    case dtype::s32: return "std::int32_t";
    case dtype::s64: return "std::int64_t";
    case dtype::f16:
    case dtype::bf16:
    case dtype::u16: return "std::uint16_t";
    case dtype::u32: return "std::uint32_t";
    case dtype::u64: return "std::uint64_t";
    default: return "std::uint8_t";
  }
}

constexpr const char* kind_of(format::tensor_kind kind) noexcept {
  return kind == format::tensor_kind::input ? "input" : kind == format::tensor_kind::output ? "output" : "state";
}

inline std::string number(float value) {
  char text[48];
  std::snprintf(text, sizeof(text), "%af", static_cast<double>(value));
  return text;
}

inline std::string list(std::span<const std::int32_t> values) {
  std::string out = "{";
  for (const std::int32_t v : values) out.append(out.size() > 1 ? ", " : "").append(std::to_string(v));
  return out + "}";
}

class header_writer {
public:
  header_writer(const model& m, const memory_plan& plan, const emit_options& options)
      : model_(m), plan_(plan), options_(options) {
    for (const format::op_row& op : m.ops()) general_ = general_ || is_general(op.kind);
  }

  std::string run() {
    begin();
    file();
    tables();
    names();
    net();
    out_ += "}  // namespace " + options_.name + "\n";
    return std::move(out_);
  }

private:
  void line(std::string_view text) { out_.append(text).append("\n"); }

  void begin() {
    line("// Written by `dsmm emit`; do not edit. Model " + std::string(model_.short_identity().data()) + ".");
    line("//   static auto net = " + options_.name + "::open();  // verified, packed, tested; no heap, no files");
    line("//   if (!net) give_up(net.error().text);");
    line("//   ...write inputs...  net->run();  ...read outputs...");
    line("#pragma once\n\n#include <array>\n#include <cstddef>\n#include <cstdint>");
    line("#include <optional>\n#include <span>\n");
    line("#include \"dsmm/graph/embedded.hpp\"");
    if (general_) line("#include \"dsmm/ops/nd/registry.hpp\"");
    line("\nnamespace " + options_.name + " {\n");
    line("static_assert(dsmm::embedded_version == " + std::to_string(embedded_version) +
         ", \"this header is for another version of dsmm: emit it again\");\n");
  }

  /// The file as a struct of literals.
  void file() {
    const auto parts = literal_parts(model_.file());
    line("/// The .dsmm file, byte for byte: each part ends in a zero of the file.");
    line("struct model_file {");
    std::string row = " ";
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool last = i + 1 == parts.size();
      const std::string part =
          " char p" + std::to_string(i) + "[" + std::to_string(parts[i].size() + (last ? 1 : 0)) + "];";
      if (row.size() + part.size() > 118) {
        line(row);
        row = " ";
      }
      row += part;
    }
    line(row + "\n};");
    line("alignas(64) inline constexpr model_file model_bytes{");
    for (std::size_t i = 0; i < parts.size(); ++i) {
      const bool last = i + 1 == parts.size();
      append_literal(out_, last ? parts[i] : parts[i].first(parts[i].size() - 1));
      out_ += last ? "};\n" : ",\n";
    }
    line("static_assert(sizeof(model_file) == " + std::to_string(model_.file().size() + 1) + ");\n");
  }

  void tables() {
    line("inline constexpr dsmm::tensor_place tensor_places[]{");
    for (const tensor_place& t : plan_.tensors) {
      const tensor_layout& l = t.layout;
      const std::int32_t layout[] = {l.top, l.left, l.bottom, l.right, l.channels};
      line("  {" + list(layout) + ", " + std::to_string(t.offset) + ", " + std::to_string(t.bytes) + ", " +
           std::to_string(t.first) + ", " + std::to_string(t.last) + ", " + std::to_string(t.capacity) +
           (t.plain ? ", true" : ", false") + (t.part ? ", true, " + std::to_string(t.channel) + "}," : "},"));
    }
    line("};\ninline constexpr dsmm::op_place op_places[]{");
    for (const op_place& p : plan_.ops)
      line("  {" + std::to_string(p.offset) + ", " + std::to_string(p.bytes) + "},");
    line("};\n");
    line("struct source {");
    line("  static constexpr dsmm::plan_view plan{tensor_places, op_places, " + std::to_string(plan_.scratch) + ", " +
         std::to_string(plan_.temporary) + ", " + std::to_string(plan_.bytes) + "};");
    line(std::string("  static constexpr dsmm::ops::find_operator general = ") +
         (general_ ? "&dsmm::ops::nd::find_definition;" : "nullptr;"));
    line("  static std::span<const std::byte> file() noexcept {");
    line("    return {reinterpret_cast<const std::byte*>(&model_bytes), " + std::to_string(model_.file().size()) +
         "};");
    line("  }\n};\n");
  }

  void names() {
    line("/// Of the file: what `dsmm info` shows and a verdict carries.");
    line("inline constexpr char identity[] = \"" + std::string(model_.short_identity().data()) + "\";");
    line("inline constexpr dsmm::embedded_port ports[]{");
    for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
      const format::tensor_row& t = model_.tensors()[i];
      if (!format::is_port(t.kind)) continue;
      line("  {" + quoted(model_.name(t.name)) + ", " + std::to_string(i) + ", dsmm::format::tensor_kind::" +
           kind_of(t.kind) + ", dsmm::dtype::" + to_string(ops::type_of(t)) + ", " + std::to_string(t.rank) + ", " +
           "{" + list(t.dims) + "}, {" + number(t.scale) + ", " + std::to_string(t.zero_point) + "}},");
    }
    line("};\n");
  }

  void net() {
    line("using memory = dsmm::embedded_memory<source>;");
    line("inline constexpr std::size_t arena_bytes = memory::bytes;\n");
    line("class net : public dsmm::embedded<source> {\npublic:");
    identifiers words;
    for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
      const format::tensor_row& t = model_.tensors()[i];
      if (t.kind == format::tensor_kind::input || t.kind == format::tensor_kind::output) port(i, t, words);
    }
    for (std::uint32_t p = 0; p < model_.programs().size(); ++p) {
      const std::string name = words.make("run_" + std::string(model_.name(model_.programs()[p].name)));
      line("  void " + name + "() noexcept { run(" + std::to_string(p) + "); }");
    }
    line("\nprivate:\n  friend class dsmm::embedded<source>;");
    line("  friend dsmm::result<net> open(memory&, dsmm::executor, std::optional<dsmm::isa>) noexcept;");
    line("  explicit net(const dsmm::session& s) noexcept : embedded(s) {}\n};\n");
    line("/// An instance in memory of its own, for a second stream or a second thread. Errors: embedded::open_as.");
    line("inline dsmm::result<net> open(memory& m, dsmm::executor exec = {}, std::optional<dsmm::isa> level = {})"
         " noexcept {\n  return net::open_as<net>(m, exec, level);\n}");
    line("/// The instance in the program's static memory; each call starts it anew.");
    line("inline dsmm::result<net> open() noexcept {\n  static memory arena;\n  return open(arena);\n}\n");
  }

  void port(std::uint32_t index, const format::tensor_row& t, identifiers& words) {
    const std::string name = words.make(model_.name(t.name)), at = std::to_string(index);
    const dtype type = ops::type_of(t);
    const bool is_input = t.kind == format::tensor_kind::input, views = !detail::is_plain_only(t);
    const std::string element = element_of(type), seen = is_input ? element : "const " + element;
    const std::span<const std::int32_t> dims(t.dims.data(), t.rank);
    std::string shape = list(dims);
    std::replace(shape.begin(), shape.end(), '{', '(');
    std::replace(shape.begin(), shape.end(), '}', ')');
    out_.append("  /// ").append(kind_of(t.kind)).append(" '").append(model_.name(t.name)).append("', ");
    out_.append(to_string(type)).append(" ").append(shape);
    if (type == dtype::u8 && views && t.scale != 0) {
      char text[80];
      std::snprintf(text, sizeof(text), ": real = %.9g * (q - %d)", static_cast<double>(t.scale), t.zero_point);
      out_ += text;
    }
    line("");
    line("  static constexpr std::array<std::int32_t, " + std::to_string(t.rank) + "> " + words.make(name + "_shape") +
         list(dims) + ";");
    if (views)
      line("  dsmm::tensor_view<" + seen + "> " + name + "() const noexcept { return session()." +
           (type == dtype::u8 ? "u8(" : "f32(") + at + "); }");
    else
      line("  std::span<" + seen + ", " + std::to_string(verify_impl::elements(t)) + "> " + name +
           "() const noexcept {\n    return plain<" + seen + ", " + std::to_string(verify_impl::elements(t)) + ">(" +
           at + ");\n  }");
  }

  const model& model_;
  const memory_plan& plan_;
  const emit_options& options_;
  bool general_ = false;
  std::string out_;
};

}  // namespace emit_impl

/// A model as one C++20 header that needs nothing but dsmm's own: the file as literals, the plan for every instruction
/// set of this architecture as constants, accessors by name. The same model gives the same text.
/// Errors: invalid_argument (the name is no identifier), those of make_plan. About 3 characters per byte of the file.
inline result<std::string> emit_header(const model& m, const emit_options& options) {
  if (!is_identifier(options.name))
    return failure{errc::invalid_argument, "the name must be a C++ identifier and no keyword"}.named(
        options.name.data(), options.name.size());
  const auto plan = make_portable_plan(m, options.general);
  if (!plan) return plan.error();
  return emit_impl::header_writer(m, *plan, options).run();
}

}  // namespace dsmm::inline DSMM_ABI::convert
