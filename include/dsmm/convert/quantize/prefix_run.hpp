// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/calibrate/sample_run.hpp"
#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/convert/quantize/emit_integer.hpp"
#include "dsmm/convert/quantize/plan.hpp"
#include "dsmm/convert/quantize/rounding.hpp"
#include "dsmm/convert/quantize/table.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// The quantized model up to one value, while the layers behind it are not rounded yet: what a layer will really read.
class prefix_run {
public:
  /// value   f32; all layers before it are rounded.
  /// Errors: of emit_integer and sample_run.
  static result<prefix_run> prepare(const lowered_graph& g, const quantize_plan& plan,
                                    const std::vector<quantization>& grids, const std::vector<rounded_layer>& layers,
                                    const std::vector<u8_table_values>& tables, std::uint32_t value,
                                    const session_options& options) {
    prefix_run p;
    p.value_ = value;
    if (plan.as_u8[plan.roots[value]]) p.grid_ = grids[plan.grids[plan.roots[value]]];
    lowered_graph part = g;
    quantize_plan steps = plan;
    std::vector<u8_table_values> used;
    std::vector<bool> need(g.values.size(), false), keep(g.ops.size(), false);
    need[value] = true;
    for (std::size_t i = g.ops.size(); i-- > 0;) {
      for (const std::uint32_t v : g.ops[i].outputs) keep[i] = keep[i] || (v != no_value && need[v]);
      for (const std::uint32_t v : g.ops[i].inputs)
        if (v != no_value) need[v] = need[v] || keep[i];
    }
    part.ops.clear();
    steps.steps.clear();
    for (std::size_t i = 0; i < g.ops.size(); ++i) {
      if (!keep[i]) continue;
      part.ops.push_back(g.ops[i]);
      steps.steps.push_back(plan.steps[i]);
      used.push_back(tables[i]);
    }
    const bool is_input =
        std::any_of(g.inputs.begin(), g.inputs.end(), [&](const lowered_port& i) { return i.value == value; });
    if (is_input) {  // nothing rounds before it
      part.outputs.clear();
      auto run = sample_run::prepare(part, std::span(&value, 1), true, options);
      if (!run) return run.error();
      p.run_ = std::move(*run);
      p.name_.clear();
      return p;
    }
    part.outputs = {{p.name_, value}};
    auto file = emit_integer(part, steps, grids, layers, used, {}, {});
    if (!file) return file.error();
    auto run = sample_run::prepare(std::move(*file), g.inputs, options);
    if (!run) return run.error();
    p.run_ = std::move(*run);
    return p;
  }

  /// The value for one sample, plain, on its grid if it has one. Errors: of the samples.
  result<std::span<const float>> run(const sample_set& samples, std::size_t i) {
    if (auto ok = run_->run(samples, i); !ok) return ok.error();
    const std::span<const float> real = name_.empty() ? run_->observed(value_) : run_->f32(name_);
    if (!grid_) return real;
    rounded_.resize(real.size());
    const float inverse = 1.0f / grid_->scale, offset = static_cast<float>(grid_->zero_point) + 0.5f;
    const auto zero = static_cast<float>(grid_->zero_point);
    for (std::size_t k = 0; k < real.size(); ++k)
      rounded_[k] = (std::clamp(std::floor(real[k] * inverse + offset), 0.0f, 255.0f) - zero) * grid_->scale;
    return std::span<const float>(rounded_);
  }

private:
  prefix_run() = default;

  std::uint32_t value_ = no_value;
  std::string name_ = "#read";
  std::optional<quantization> grid_;
  std::unique_ptr<sample_run> run_;
  std::vector<float> rounded_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
