// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/builder.hpp"
#include "dsmm/convert/onnx_graph.hpp"
#include "dsmm/core/result.hpp"

/// Loop and Scan whose steps are known become their bodies, one after another.
namespace dsmm::inline DSMM_ABI::convert {

/// What goes from one step to the next, and what each step adds to the outputs.
struct unrolled {
  std::vector<var> state;
  std::vector<std::vector<var>> rows;  ///< per output
};

/// Rows of one shape stacked along a new axis, counted as in the result.
inline var stack(builder& to, std::span<const var> rows, std::int64_t axis) {
  if (to.failed()) return {&to, 0};
  if (rows.empty()) return to.fail(errc::unsupported, "what no step gives cannot be stacked");
  if (axis < 0) axis += rows[0].rank() + 1;
  if (axis < 0 || axis > rows[0].rank()) return to.fail(errc::bad_value, "an output axis is outside its dimensions");
  std::vector<var> parts;
  for (const var& r : rows) parts.push_back(unsqueeze(r, axis));
  return concat(to, parts, axis);
}

/// How a Scan walks over its inputs.
struct scan_form {
  std::size_t states = 0;
  std::int64_t steps = 0;
  dim_list axes, backwards;      ///< per scanned input
  dim_list output_axes, turned;  ///< per stacked output

  static result<scan_form> read(const onnx::node& n, std::span<const var> inputs) {
    constexpr failure misfit{errc::bad_value, "Scan: the body does not fit the inputs and outputs"};
    const onnx::attribute *body = n.find("body"), *count = n.find("num_scan_inputs");
    if (body == nullptr || !body->graph || count == nullptr || count->integer < 1) return misfit;
    const onnx::graph& g = *body->graph;
    const auto scanned = static_cast<std::size_t>(count->integer);
    if (inputs.size() < scanned || g.inputs.size() != inputs.size() || g.outputs.size() + scanned < inputs.size() ||
        n.outputs.size() > g.outputs.size())
      return misfit;
    for (const var& x : inputs)
      if (!x) return misfit;
    scan_form f;
    f.states = inputs.size() - scanned;
    f.axes = list(n, "scan_input_axes", scanned);
    f.backwards = list(n, "scan_input_directions", scanned);
    f.output_axes = list(n, "scan_output_axes", g.outputs.size() - f.states);
    f.turned = list(n, "scan_output_directions", g.outputs.size() - f.states);
    for (std::size_t i = 0; i < scanned; ++i) {
      const var x = inputs[f.states + i];
      if (f.axes[i] < 0) f.axes[i] += x.rank();
      if (f.axes[i] < 0 || f.axes[i] >= x.rank()) return misfit;
      if (i == 0) f.steps = x.dim(f.axes[0]);
      if (x.dim(f.axes[i]) != f.steps) return failure{errc::shape_mismatch, "Scan: the inputs are not of one length"};
    }
    return f;
  }

  /// Appends what step t sees of each scanned input.
  void push_elements(std::span<const var> inputs, std::int64_t t, std::vector<var>& to) const {
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const var x = inputs[states + i];
      dim_list dims = x.dims();
      dims.erase(dims.begin() + axes[i]);
      to.push_back(x.to->reshape(slice(x, axes[i], backwards[i] != 0 ? steps - 1 - t : t, 1), dims));
    }
  }

private:
  static dim_list list(const onnx::node& n, std::string_view name, std::size_t size) {
    const onnx::attribute* a = n.find(name);
    return a == nullptr || a->integers.size() != size ? dim_list(size, 0) : a->integers;
  }
};

}  // namespace dsmm::inline DSMM_ABI::convert
