// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/builder.hpp"
#include "dsmm/convert/import_options.hpp"
#include "dsmm/convert/lower/registry.hpp"
#include "dsmm/convert/node_order.hpp"
#include "dsmm/convert/node_scope.hpp"
#include "dsmm/convert/onnx_graph.hpp"
#include "dsmm/convert/unroll.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Walks the nodes of a model once, in order, and lowers each. A node that cannot be lowered is noted, and what depends
/// on it is passed over, so that one walk finds everything that is missing.
class importer {
public:
  importer(const onnx::model& model, builder& to, const import_options& options, import_report& report)
      : model_(model), to_(to), options_(options), report_(report) {}

  void run() {
    frame main;
    main.opsets = model_.opsets;
    report_.opset = onnx::version_of(model_.opsets, "");
    report_.nodes = model_.graph.nodes.size();
    bind_initializers(main, model_.graph);
    for (const onnx::value_info& info : model_.graph.inputs) bind_input(main, info);
    walk(main, model_.graph.nodes, 0);
    for (const onnx::value_info& info : model_.graph.outputs) bind_output(main, info);
    const std::uint64_t needed = to_.needed();
    for (std::size_t i = 0; i < to_.graph().inputs.size(); ++i)
      if (needed >> std::min<std::size_t>(i, 63) & 1) report_.needed_values.push_back(to_.graph().inputs[i].name);
  }

private:
  struct named_value {
    var value;
    var length{};  ///< set if only the first `length` elements along `axis` mean something
    std::int64_t axis = 0;
    bool is_broken() const noexcept { return value.id == 0; }
  };

  /// Names that nodes see: those of a graph, behind them those of the graph around it.
  struct frame {
    const frame* outer = nullptr;
    std::map<std::string_view, named_value> names;
    std::span<const onnx::opset> opsets;
    const std::vector<onnx::attribute>* arguments = nullptr;  ///< of the function whose body this is
    const onnx::function* function = nullptr;

    const named_value* find(std::string_view name) const noexcept {
      for (const frame* f = this; f != nullptr; f = f->outer)
        if (const auto at = f->names.find(name); at != f->names.end()) return &at->second;
      return nullptr;
    }
  };

  void note(std::string_view node, std::string_view op, errc code, std::string reason) {
    if (report_.issues.size() < 10'000)
      report_.issues.push_back({std::string(node), std::string(op), code, std::move(reason)});
  }

  /// A name may be given once in a graph.
  void bind(frame& f, std::string_view name, named_value v) {
    if (name.empty()) return;
    if (!f.names.emplace(name, v).second)
      note(name, "", errc::bad_value, "two nodes or inputs give a value of this name");
  }

  void bind_initializers(frame& f, const onnx::graph& g) {
    for (const onnx::tensor& t : g.initializers) bind(f, t.name, {to_.constant(t.type, t.dims, t.bytes, t.owned)});
  }

  void bind_input(frame& f, const onnx::value_info& info) {
    const std::string name(info.name);
    if (const auto known = options_.values.find(name); known != options_.values.end()) {
      const known_value& v = known->second;
      f.names[info.name] = {to_.constant(v.type, v.dims, v.bytes)};
      return;
    }
    if (f.names.find(info.name) != f.names.end()) return;  // its initializer is its value
    const auto broken = [&](errc code, std::string reason) {
      note(info.name, "", code, std::move(reason));
      f.names[info.name] = {var{&to_, 0}};
    };
    if (!info.type) {
      const onnx::type_row* row = onnx::find_type(info.onnx_type);
      return broken(errc::unsupported, row == nullptr ? "input is no tensor" : std::string("input is of ") + row->name);
    }
    if (name.empty() || name.size() > format::max_name)
      return broken(errc::bad_value, "input has no name, or a long one");
    dim_list dims;
    const auto given = options_.shapes.find(name);
    if (given != options_.shapes.end()) {
      dims = given->second;
      bool fits = !info.has_shape || dims.size() == info.dims.size();
      for (std::size_t i = 0; i < info.dims.size() && fits; ++i)
        fits = info.dims[i].value < 0 || info.dims[i].value == dims[i];
      if (!fits) return broken(errc::shape_mismatch, "input has another shape in the file than the one given");
    } else {
      if (!info.has_shape) return broken(errc::invalid_argument, "input has no shape; give one with --shape");
      for (std::size_t i = 0; i < info.dims.size(); ++i) {
        const auto& d = info.dims[i];
        if (d.value < 0 && i != 0)
          return broken(errc::invalid_argument, "dimension " + std::to_string(i) + " of the input is open" +
                                                    (d.symbol.empty() ? "" : " (" + std::string(d.symbol) + ")") +
                                                    "; give a shape with --shape");
        dims.push_back(d.value < 0 ? 1 : d.value);  // the open batch: one item at a time
      }
    }
    const var v = to_.input(name, *info.type, dims);
    if (to_.failed()) {
      const failure e = to_.error();
      to_.clear_error();
      return broken(e.code, e.text);
    }
    f.names[info.name] = {v};
  }

  void bind_output(frame& f, const onnx::value_info& info) {
    const named_value* v = f.find(info.name);
    if (v == nullptr) return note(info.name, "", errc::bad_index, "no node gives this output");
    if (v->is_broken()) return;
    if (v->value.is_sequence()) return note(info.name, "", errc::unsupported, "output is a sequence");
    if (info.name.empty() || info.name.size() > format::max_name - 16)
      return note(info.name, "", errc::bad_value, "output has no name, or a long one");
    to_.graph().outputs.push_back({std::string(info.name), to_.materialized(v->value.id)});
    if (!v->length) return;
    to_.graph().outputs.push_back({std::string(info.name) + ".length", v->length.id});
    report_.open_outputs.emplace_back(info.name, v->axis);
  }

  void walk(frame& f, const std::vector<onnx::node>& nodes, std::size_t depth) {
    const auto [order, is_new] = orders_.try_emplace(&nodes);
    if (is_new) order->second = in_order(nodes);
    for (const onnx::node* n : order->second) {
      if (++walked_ > onnx::max_nodes) {
        if (walked_ == onnx::max_nodes + 1)
          note(n->name, n->op, errc::too_large, "the model expands to too many nodes");
        return;
      }
      lower(f, *n, depth);
    }
  }

  static std::string label(const onnx::node& n) {
    if (!n.name.empty()) return std::string(n.name);
    return std::string(n.outputs.empty() ? n.op : n.outputs[0]);
  }

  void lower(frame& f, const onnx::node& original, std::size_t depth) {
    onnx::node resolved;
    const onnx::node& n = resolve(f, original, resolved);
    if (f.outer == nullptr && f.function == nullptr) ++report_.operators[operator_name(n)];
    std::vector<var> inputs;
    bool broken = false;
    for (const std::string_view name : n.inputs) {
      if (name.empty()) {
        inputs.push_back({});
        continue;
      }
      const named_value* v = f.find(name);
      if (v == nullptr) {
        note(label(n), operator_name(n), errc::bad_index,
             "input '" + std::string(name) + "' is given by no node before it");
        broken = true;
        continue;
      }
      broken = broken || v->is_broken();
      if (v->length && !v->is_broken()) {
        to_.require_constant(v->length, "the length of an input depends on data");
      }
      inputs.push_back(v->value);
    }
    to_.name_ops(label(n));
    if (n.domain.empty() && n.op == "If") return lower_if(f, n, inputs, broken, depth);
    if (n.domain.empty() && n.op == "Loop") return lower_loop(f, n, inputs, broken, depth);
    if (n.domain.empty() && n.op == "Scan") return lower_scan(f, n, inputs, broken, depth);
    if (const onnx::function* body = find_function(n)) return lower_function(f, *body, n, inputs, broken, depth);
    const lowering* how = find_lowering(n.domain, n.op);
    const std::int64_t opset = onnx::version_of(f.opsets, n.domain);
    if (how == nullptr) {
      note(label(n), operator_name(n), errc::unsupported, "dsmm does not have this operator");
    } else if (!broken && n.domain.empty() && (opset < 1 || opset > 28)) {
      note(label(n), operator_name(n), errc::unsupported, "operator sets up to 28 are supported");
    } else if (!broken && !takes_sequences(n.op) &&
               std::any_of(inputs.begin(), inputs.end(), [](var x) { return x.is_sequence(); })) {
      note(label(n), operator_name(n), errc::dtype_mismatch, "an input is a sequence");
    } else if (!broken) {
      node_scope scope(to_, n, opset, inputs);
      if (!to_.failed()) how->lower(scope);
      if (!to_.failed()) return finish(f, n, scope);
      note(label(n), operator_name(n), to_.error().code, reason(to_.error()));
      to_.clear_error();
    }
    to_.clear_error();
    for (const std::string_view name : n.outputs) bind(f, name, {var{&to_, 0}});
  }

  void finish(frame& f, const onnx::node& n, node_scope& scope) {
    for (std::size_t i = 0; i < n.outputs.size(); ++i) {
      named_value v{scope.out[i]};
      for (const auto& open : scope.lengths) {
        if (open.output != i) continue;
        if (open.length.is_constant())
          v.value = slice(v.value, open.axis, 0,
                          std::clamp<std::int64_t>(integers_of(open.length).at(0), 0, v.value.dim(open.axis)));
        else v.length = open.length, v.axis = open.axis;
      }
      if (!v.value && !n.outputs[i].empty()) {
        note(label(n), operator_name(n), errc::unsupported, "output " + std::to_string(i) + " is not supported");
        v.value = {&to_, 0};
      }
      bind(f, n.outputs[i], v);
    }
  }

  static std::string reason(const failure& e) {
    std::string out = e.text;
    if (e.name[0] != '\0') out.append(" (").append(e.name).append(")");
    return out;
  }

  static std::string operator_name(const onnx::node& n) {
    return n.domain.empty() ? std::string(n.op) : std::string(n.domain) + "::" + std::string(n.op);
  }

  /// Attributes that name one of the function around them get its value.
  static const onnx::node& resolve(const frame& f, const onnx::node& n, onnx::node& copy) {
    if (std::none_of(n.attributes.begin(), n.attributes.end(), [](const auto& a) { return !a.reference.empty(); }))
      return n;
    copy = n;
    copy.attributes.clear();
    const frame* body = &f;
    while (body != nullptr && body->function == nullptr) body = body->outer;
    for (const onnx::attribute& a : n.attributes) {
      if (a.reference.empty()) {
        copy.attributes.push_back(a);
        continue;
      }
      if (body == nullptr) continue;
      for (const auto* list : {body->arguments, &body->function->defaults}) {
        const auto at = std::find_if(list->begin(), list->end(), [&](const auto& g) { return g.name == a.reference; });
        if (at == list->end()) continue;
        copy.attributes.push_back(*at);
        copy.attributes.back().name = a.name;
        break;
      }
    }
    return copy;
  }

  const onnx::function* find_function(const onnx::node& n) const noexcept {
    for (const onnx::function& f : model_.functions)
      if (f.name == n.op && f.domain == n.domain) return &f;
    return nullptr;
  }

  /// Notes why a node with graphs inside cannot be lowered, unless that is noted already.
  void give_up(frame& f, const onnx::node& n, errc code = errc::ok, std::string text = {}) {
    if (code != errc::ok) note(label(n), operator_name(n), code, std::move(text));
    to_.clear_error();
    for (const std::string_view name : n.outputs) bind(f, name, {var{&to_, 0}});
  }

  /// What a graph inside a node gives; it sees the names around it.
  std::vector<named_value> inline_graph(const frame& f, const onnx::node& n, const onnx::graph& g,
                                        std::span<const var> arguments, std::size_t depth) {
    frame inner;
    inner.outer = &f;
    inner.opsets = f.opsets;
    for (std::size_t i = 0; i < arguments.size(); ++i) bind(inner, g.inputs[i].name, {arguments[i]});
    bind_initializers(inner, g);
    walk(inner, g.nodes, depth + 1);
    std::vector<named_value> results;
    for (const onnx::value_info& o : g.outputs) {
      const named_value* v = inner.find(o.name);
      if (v == nullptr) note(label(n), operator_name(n), errc::bad_index, "no node gives an output of its graph");
      results.push_back(v == nullptr ? named_value{var{&to_, 0}} : *v);
    }
    return results;
  }

  void lower_if(frame& f, const onnx::node& n, const std::vector<var>& inputs, bool broken, std::size_t depth) {
    const onnx::attribute* branches[] = {n.find("else_branch"), n.find("then_branch")};
    if (broken) return give_up(f, n);
    if (inputs.size() != 1 || !inputs[0] || branches[0] == nullptr || branches[1] == nullptr || !branches[0]->graph ||
        !branches[1]->graph || inputs[0].type() != dtype::b8 || inputs[0].count() != 1)
      return give_up(f, n, errc::bad_value, "If: it needs a truth value and two branches");
    if (!to_.require_constant(inputs[0], "If: the condition must be known when the model is imported"))
      return give_up(f, n, errc::unsupported, to_.error().text);
    if (depth >= onnx::max_depth) return give_up(f, n, errc::too_large, "graphs are nested too deep");
    const onnx::graph& g = *branches[integers_of(inputs[0]).at(0) != 0 ? 1 : 0]->graph;
    if (g.outputs.size() < n.outputs.size()) return give_up(f, n, errc::bad_value, "If: a branch has too few outputs");
    const auto results = inline_graph(f, n, g, {}, depth);
    for (std::size_t i = 0; i < n.outputs.size(); ++i) bind(f, n.outputs[i], results[i]);
  }

  /// One step: `arguments` for the body, of whose outputs `skipped` come first, then the state, then the rows.
  /// The skipped ones, or nothing if the step could not be lowered; the reasons are noted then.
  std::optional<std::vector<var>> step(const frame& f, const onnx::node& n, const onnx::graph& g,
                                       std::span<const var> arguments, std::size_t skipped, unrolled& u,
                                       std::size_t depth) {
    const std::size_t issues = report_.issues.size();
    if (++walked_ == onnx::max_nodes + 1)
      note(label(n), n.op, errc::too_large, "the model expands to too many nodes");  // a body without nodes
    if (walked_ > onnx::max_nodes) return std::nullopt;
    const auto results = inline_graph(f, n, g, arguments, depth);
    if (report_.issues.size() != issues) return std::nullopt;
    std::vector<var> values;
    for (const named_value& v : results) {
      if (v.length && !to_.require_constant(v.length, "the length of a value of its graph depends on data")) {
        give_up_step(n);
        return std::nullopt;
      }
      values.push_back(v.value);
    }
    const auto first = values.begin() + static_cast<std::ptrdiff_t>(skipped);
    const auto second = first + static_cast<std::ptrdiff_t>(u.state.size());
    u.state.assign(first, second);
    for (std::size_t i = 0; i < u.rows.size(); ++i) u.rows[i].push_back(second[static_cast<std::ptrdiff_t>(i)]);
    return std::vector<var>(values.begin(), first);
  }

  void give_up_step(const onnx::node& n) {
    note(label(n), operator_name(n), to_.error().code, reason(to_.error()));
    to_.clear_error();
  }

  void bind_unrolled(frame& f, const onnx::node& n, unrolled& u, const dim_list& axes) {
    std::vector<var> results = u.state;
    for (std::size_t i = 0; i < u.rows.size(); ++i) {
      const bool wanted = results.size() < n.outputs.size() && !n.outputs[results.size()].empty();
      results.push_back(wanted ? stack(to_, u.rows[i], axes[i]) : var{&to_, 0});
    }
    if (to_.failed()) return give_up(f, n, to_.error().code, reason(to_.error()));
    for (std::size_t i = 0; i < n.outputs.size(); ++i) bind(f, n.outputs[i], {results[i]});
  }

  bool is_known(var x, dtype type, const char* text) {
    return to_.require_constant(x, text) && x.type() == type && x.count() == 1;
  }

  /// As many steps as the count and the condition say; both must be known, the condition at each step.
  void lower_loop(frame& f, const onnx::node& n, const std::vector<var>& inputs, bool broken, std::size_t depth) {
    constexpr const char* text = "Loop: the number of steps must be known when the model is imported";
    if (broken) return give_up(f, n);
    const onnx::attribute* body = n.find("body");
    if (inputs.size() < 2 || body == nullptr || !body->graph || body->graph->inputs.size() != inputs.size() ||
        body->graph->outputs.size() + 1 < inputs.size() || n.outputs.size() + 1 > body->graph->outputs.size())
      return give_up(f, n, errc::bad_value, "Loop: the body does not fit the inputs and outputs");
    if (depth >= onnx::max_depth) return give_up(f, n, errc::too_large, "graphs are nested too deep");
    for (std::size_t i = 0; i < 2; ++i)
      if (inputs[i] && !is_known(inputs[i], i == 0 ? dtype::s64 : dtype::b8, text))
        return give_up(f, n, errc::unsupported, text);
    const std::int64_t steps = inputs[0] ? integers_of(inputs[0]).at(0) : INT64_MAX;
    bool goes_on = !inputs[1] || integers_of(inputs[1]).at(0) != 0;
    unrolled u{{inputs.begin() + 2, inputs.end()}, {}};
    u.rows.resize(body->graph->outputs.size() + 1 - inputs.size());
    for (std::int64_t i = 0; i < steps && goes_on; ++i) {
      std::vector<var> arguments{to_.integer(i), scalar(to_, dtype::b8, 1)};
      arguments.insert(arguments.end(), u.state.begin(), u.state.end());
      const auto condition = step(f, n, *body->graph, arguments, 1, u, depth);
      if (!condition) return give_up(f, n);
      if (!is_known(condition->at(0), dtype::b8, text)) return give_up(f, n, errc::unsupported, text);
      goes_on = integers_of(condition->at(0)).at(0) != 0;
    }
    bind_unrolled(f, n, u, dim_list(u.rows.size(), 0));
  }

  /// As many steps as the scanned inputs are long.
  void lower_scan(frame& f, const onnx::node& n, const std::vector<var>& inputs, bool broken, std::size_t depth) {
    if (broken) return give_up(f, n);
    if (depth >= onnx::max_depth) return give_up(f, n, errc::too_large, "graphs are nested too deep");
    if (onnx::version_of(f.opsets, "") < 9)
      return give_up(f, n, errc::unsupported, "Scan: the form of operator set 8 is not supported");
    const auto form = scan_form::read(n, inputs);
    if (!form) return give_up(f, n, form.error().code, form.error().text);
    const onnx::graph& g = *n.find("body")->graph;
    unrolled u{{inputs.begin(), inputs.begin() + static_cast<std::ptrdiff_t>(form->states)}, {}};
    u.rows.resize(g.outputs.size() - form->states);
    for (std::int64_t t = 0; t < form->steps; ++t) {
      std::vector<var> arguments = u.state;
      form->push_elements(inputs, t, arguments);
      if (!step(f, n, g, arguments, 0, u, depth)) return give_up(f, n);
    }
    for (std::size_t i = 0; i < u.rows.size(); ++i)
      if (form->turned[i] != 0) std::reverse(u.rows[i].begin(), u.rows[i].end());
    bind_unrolled(f, n, u, form->output_axes);
  }

  void lower_function(frame& f, const onnx::function& body, const onnx::node& n, const std::vector<var>& inputs,
                      bool broken, std::size_t depth) {
    frame inner;
    inner.opsets = body.opsets;
    inner.arguments = &n.attributes;
    inner.function = &body;
    const bool deep = depth >= onnx::max_depth;
    if (deep) note(label(n), operator_name(n), errc::too_large, "functions are nested too deep, or call themselves");
    if (!deep && !broken) {
      for (std::size_t i = 0; i < body.inputs.size(); ++i)
        bind(inner, body.inputs[i], {i < inputs.size() ? inputs[i] : var{}});
      walk(inner, body.nodes, depth + 1);
    }
    for (std::size_t i = 0; i < n.outputs.size(); ++i) {
      const named_value* v = i < body.outputs.size() ? inner.find(body.outputs[i]) : nullptr;
      if (v == nullptr && !broken && !deep)
        note(label(n), operator_name(n), errc::bad_index, "function gives no such output");
      bind(f, n.outputs[i], v == nullptr ? named_value{var{&to_, 0}} : *v);
    }
  }

  const onnx::model& model_;
  builder& to_;
  const import_options& options_;
  import_report& report_;
  std::size_t walked_ = 0;
  std::map<const void*, std::vector<const onnx::node*>> orders_;  ///< by list of nodes: a body is walked many times
};

}  // namespace dsmm::inline DSMM_ABI::convert
