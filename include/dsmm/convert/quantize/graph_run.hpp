// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Data that flows through a model: calibration or evaluation samples, loaded one at a time.
struct sample_set {
  std::size_t count = 0;
  /// Writes sample i into the model's inputs, in their order in the file, row-major, in their element types.
  std::function<result<void>(std::size_t i, std::span<const std::span<std::byte>> inputs)> load{};
};

/// A model prepared to be run on samples, with the memory it needs.
class graph_run {
public:
  /// Errors: those of model::open and session::prepare.
  static result<std::unique_ptr<graph_run>> prepare(file_bytes&& file, const std::vector<lowered_port>& inputs,
                                                    const session_options& options) {
    auto run = std::unique_ptr<graph_run>(new graph_run);
    run->file_ = std::move(file);
    const auto m = model::open(std::as_const(run->file_).bytes());
    if (!m) return m.error();
    const auto bytes = session::required(*m, options);
    if (!bytes) return bytes.error();
    auto arena = file_bytes::allocate(*bytes);
    if (!arena) return arena.error();
    run->arena_ = std::move(*arena);
    auto s = session::prepare(*m, run->arena_.bytes(), options);
    if (!s) return s.error();
    run->session_ = std::make_unique<session>(std::move(*s));
    for (const lowered_port& p : inputs) {
      const auto t = m->find_tensor(p.name);
      if (!t) return failure{errc::not_found, "an input got lost"}.named(p.name.data(), p.name.size());
      run->inputs_.push_back(run->session_->plain(*t));
    }
    return run;
  }

  /// Errors: those of the sample set.
  result<void> run(const sample_set& samples, std::size_t i) {
    if (auto ok = samples.load(i, inputs_); !ok) return ok;
    session_->run();
    return {};
  }
  /// A plain f32 tensor after a run; empty if there is none of that name.
  std::span<const float> f32(const std::string& name) const {
    const auto t = session_->source().find_tensor(name);
    if (!t) return {};
    const auto bytes = session_->plain(*t);
    return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
  }

private:
  graph_run() = default;

  file_bytes file_, arena_;
  std::unique_ptr<session> session_;
  std::vector<std::span<std::byte>> inputs_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
