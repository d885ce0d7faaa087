// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/attention.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/convert/transformer_case.hpp"

using namespace transformer_case;

TEST_CASE("attention: q, k and v become products of their own, and the scale moves, without changing the function") {
  const block b;
  lowered_graph g = b.g;
  prepare_attention(g);
  const auto found = find_attention(g);
  REQUIRE(found.size() == 1);
  CHECK(found[0].heads == heads);
  CHECK(found[0].queries == steps);
  CHECK(found[0].keys == steps);
  CHECK(found[0].depth == depth);
  CHECK(found[0].k_turned);
  std::size_t products = 0, scalings = 0;
  for (const lowered_op& op : g.ops) {
    products += op.kind == op_kind::nd_matmul && g.values[op.inputs[1]].is_constant ? 1 : 0;
    scalings += op.kind == op_kind::nd_binary ? 1 : 0;
  }
  CHECK(products == 4);
  CHECK(scalings == 1);  // the residual sum
  const auto data = samples(1, 3);
  const auto before = output_of(b.g, data, 0), after = output_of(g, data, 0);
  float worst = 0;
  for (std::size_t i = 0; i < before.size(); ++i) worst = std::max(worst, std::abs(before[i] - after[i]));
  CHECK(worst < 1e-5f);
}

TEST_CASE("attention: runs on integers between layers, near the fp32 model, with the same bits everywhere") {
  const block b;
  quantize_report report;
  const file_bytes file = quantized(b.g, &report);
  CHECK(ops_of(file, op_kind::attention) == 1);
  CHECK(ops_of(file, op_kind::layer_norm) == 1);
  CHECK(ops_of(file, op_kind::linear) == 4);
  CHECK(ops_of(file, op_kind::nd_softmax) == 0);
  CHECK(ops_of(file, op_kind::nd_matmul) == 0);
  CHECK(report.calibration[0].sqnr_db() > 35);
  const auto wanted = run(file, 1, isa::generic);
  for (const isa_row& row : isa_rows)
    if (row.here()) CHECK(run(file, 3, row.id) == wanted);
}

TEST_CASE("attention: another scale goes into the product that makes q") {
  const block b(1.0f, true, 0.5);
  lowered_graph g = b.g;
  prepare_attention(g);
  REQUIRE(find_attention(g).size() == 1);
  const auto data = samples(1, 3);
  const auto before = output_of(b.g, data, 0), after = output_of(g, data, 0);
  float worst = 0;
  for (std::size_t i = 0; i < before.size(); ++i) worst = std::max(worst, std::abs(before[i] - after[i]));
  CHECK(worst < 1e-5f);
  quantize_report report;
  CHECK(ops_of(quantized(b.g, &report), op_kind::attention) == 1);
  CHECK(report.calibration[0].sqnr_db() > 35);
}

TEST_CASE("attention: scores that something else reads stay in f32") {
  block seen;
  for (const lowered_op& op : seen.g.ops)
    if (op.kind == op_kind::nd_softmax) {
      seen.output(op.outputs[0]);
      break;
    }
  const file_bytes file = quantized(seen.g, nullptr);
  CHECK(ops_of(file, op_kind::attention) == 0);
  CHECK(ops_of(file, op_kind::nd_softmax) == 1);
}

TEST_CASE("attention: scores in steps too coarse for the integer softmax stay in f32") {
  quantize_report report;
  const block b(60.0f, false);
  CHECK(ops_of(quantized(b.g, &report), op_kind::attention) == 0);
  CHECK(ops_of(quantized(b.g, &report), op_kind::nd_softmax) == 1);
}

TEST_CASE("attention: loud channels of a layer norm cost less where smoothing evens them out") {
  quantize_report plain, smooth;
  const block b(30.0f);
  CHECK(ops_of(quantized(b.g, &plain, 0.0), op_kind::attention) == 1);
  CHECK(ops_of(quantized(b.g, &smooth, 0.5), op_kind::attention) == 1);
  CHECK(smooth.calibration[0].sqnr_db() > plain.calibration[0].sqnr_db() + 5);
}
