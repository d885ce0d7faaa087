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
#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/lowered_graph.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Data that flows through a model, loaded one sample at a time.
struct sample_set {
  std::size_t count = 0;
  /// Writes sample i into the model's inputs, in their order in the file, row-major, in their element types. An input
  /// that is not wanted has an empty span.
  std::function<result<void>(std::size_t i, std::span<const std::span<std::byte>> inputs)> load{};
};

/// A model made ready to be run on samples, with the memory it needs; of a graph, some values can be looked at.
class sample_run {
public:
  /// observed  f32 values; at most 400 that are neither inputs nor outputs, because a model may name 512 tensors.
  /// only_observed  leave out what is not needed for them.
  /// Errors: those of emit_model and session::prepare.
  static result<std::unique_ptr<sample_run>> prepare(const lowered_graph& graph,
                                                     std::span<const std::uint32_t> observed, bool only_observed,
                                                     const session_options& options) {
    lowered_graph g = graph;
    if (only_observed) g.outputs.clear();
    for (const std::uint32_t v : observed) g.outputs.push_back({probe_name(v), v});
    auto file = emit_model(g, {});
    if (!file) return file.error();
    return prepare(std::move(*file), graph.inputs, options);
  }

  /// Errors: those of model::open and session::prepare.
  static result<std::unique_ptr<sample_run>> prepare(file_bytes&& file, std::span<const lowered_port> inputs,
                                                     const session_options& options) {
    auto run = std::unique_ptr<sample_run>(new sample_run);
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
      run->inputs_.push_back(t ? run->session_->plain(*t) : std::span<std::byte>{});
    }
    return run;
  }

  /// Errors: those of the sample set.
  result<void> run(const sample_set& samples, std::size_t i) {
    if (auto ok = samples.load(i, inputs_); !ok) return ok;
    session_->run();
    return {};
  }
  /// Runs again on what the inputs hold.
  void repeat() noexcept { session_->run(); }

  /// An observed value, or an output by name, after a run; empty if there is none.
  std::span<const float> observed(std::uint32_t value) const noexcept { return f32(probe_name(value)); }
  std::span<const float> f32(const std::string& name) const noexcept {
    const auto t = session_->source().find_tensor(name);
    if (!t) return {};
    const auto bytes = session_->plain(*t);
    return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
  }

private:
  sample_run() = default;
  static std::string probe_name(std::uint32_t v) { return "#" + std::to_string(v); }

  file_bytes file_, arena_;
  std::unique_ptr<session> session_;
  std::vector<std::span<std::byte>> inputs_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
