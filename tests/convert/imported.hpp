// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "dsmm/convert/onnx_import.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/ops/nd/registry.hpp"
#include "tests/convert/onnx_writer.hpp"

/// Imports ONNX files of tests and runs what comes out.
namespace imported {

namespace convert = dsmm::convert;

inline convert::import_options options() {
  convert::import_options o;
  o.general = &dsmm::ops::nd::find_definition;
  return o;
}

struct ran {
  std::size_t ops = 0;
  convert::dim_list dims;
  std::vector<float> y;
};

/// Imports a model of x -> y, both f32, and runs it.
inline ran run(const std::string& file, const std::vector<float>& x, const convert::import_options& o = options()) {
  convert::import_report report;
  const auto imported = convert::import_onnx(onnx_writer::bytes(file), o, &report);
  for (const auto& i : report.issues) MESSAGE(i.node << " " << i.op << ": " << i.reason);
  REQUIRE_MESSAGE(imported.has_value(), std::string(imported.error().text));
  const auto m = dsmm::model::open(imported->bytes());
  REQUIRE(m);
  dsmm::session_options so;
  so.general = &dsmm::ops::nd::find_definition;
  auto arena = dsmm::file_bytes::allocate(*dsmm::session::required(*m, so));
  auto s = dsmm::session::prepare(*m, arena->bytes(), so);
  REQUIRE(s);
  if (const auto in = s->find("x")) {
    REQUIRE(s->plain(*in).size() == x.size() * 4);
    std::memcpy(s->plain(*in).data(), x.data(), x.size() * 4);
  }
  s->run();
  const auto out = s->find("y");
  REQUIRE(out);
  ran r;
  r.ops = m->ops().size();
  const auto& t = m->tensors()[*out];
  r.dims.assign(t.dims.begin(), t.dims.begin() + t.rank);
  r.y.resize(s->plain(*out).size() / 4);
  if (!r.y.empty()) std::memcpy(r.y.data(), s->plain(*out).data(), r.y.size() * 4);
  return r;
}

inline void check_near(const std::vector<float>& y, const std::vector<float>& wanted) {
  REQUIRE(y.size() == wanted.size());
  for (std::size_t i = 0; i < y.size(); ++i) CHECK(std::fabs(y[i] - wanted[i]) < 1e-4f);
}

}  // namespace imported
