// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/plan.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/levels.hpp"
#include "dsmm/model/model.hpp"

namespace dsmm::inline DSMM_ABI {

/// All levels of a model file made ready at once, so that each run can take another one without any preparation.
///
/// Memory: each level has its assembled file, packed weights, inputs, outputs and states; values and scratch are those
/// of the neediest level, because only one runs at a time. The file shares weights, packed weights are per level.
/// Inputs are written to, and outputs read from, the level that runs. A program that pushes states must run on every
/// level that shall be current (run_all), because each keeps its own past.
/// As for a session: required() and prepare() may fail and allocate tables; run() can do neither and takes no lock.
class elastic_session {
public:
  /// Bytes of arena for prepare(), at a multiple of 64. Errors: as assemble_level() and make_plan().
  static result<std::size_t> required(const model& m, const session_options& options = {}) noexcept {
    const auto isa = isa_of(options);
    if (!isa) return isa.error();
    checked_size kept;
    std::size_t shared = 0;
    for (std::uint32_t k = 0; k < level_count(m); ++k) {
      std::optional<owned_model> level;
      if (k != 0) {
        auto made = extract_level(m, k);
        if (!made) return made.error();
        level.emplace(std::move(*made));
        kept = kept + checked_size(level->view().file().size()).aligned(format::alignment);
      }
      const auto plan = make_plan(k == 0 ? m : level->view(), *isa, options.general);
      if (!plan) return plan.error();
      const session_parts parts = session::required_parts(plan->view());
      kept = kept + checked_size(parts.kept).aligned(format::alignment);
      shared = std::max(shared, parts.shared);
    }
    const checked_size sum = kept + checked_size(shared).aligned(format::alignment);
    if (!sum.valid()) return failure{errc::too_large, "the levels need more memory than there is"};
    return static_cast<std::size_t>(sum.value());
  }

  /// Errors: arena_too_small; those of assemble_level() and session::prepare(). The file and the arena must outlive it.
  static result<elastic_session> prepare(const model& m, std::span<std::byte> arena,
                                         const session_options& options = {}) noexcept {
    const auto isa = isa_of(options);
    if (!isa) return isa.error();
    std::size_t at = 0;
    const auto take = [&](std::size_t bytes) -> std::optional<std::span<std::byte>> {
      if (at > arena.size() || bytes > arena.size() - at) return std::nullopt;
      const auto part = arena.subspan(at, bytes);
      at = round_up(at + bytes, format::alignment);
      return part;
    };
    const failure small{errc::arena_too_small, "the arena is smaller than elastic_session::required() says"};
    std::array<memory_plan, format::max_levels + 1> plans;
    std::array<std::optional<model>, format::max_levels + 1> models;
    std::size_t shared_bytes = 0;
    for (std::uint32_t k = 0; k < level_count(m); ++k) {
      if (k == 0) {
        models[k].emplace(m);
      } else {
        const auto bytes = level_bytes(m, k);
        if (!bytes) return bytes.error();
        const auto memory = take(*bytes);
        if (!memory) return small;
        const auto level = assemble_level(m, k, *memory);
        if (!level) return level.error();
        models[k].emplace(*level);
      }
      auto plan = make_plan(*models[k], *isa, options.general);
      if (!plan) return plan.error();
      plans[k] = std::move(*plan);
      shared_bytes = std::max(shared_bytes, session::required_parts(plans[k].view()).shared);
    }
    const auto shared = take(shared_bytes);
    if (!shared) return small;
    elastic_session out;
    for (std::uint32_t k = 0; k < level_count(m); ++k) {
      const auto kept = take(session::required_parts(plans[k].view()).kept);
      if (!kept) return small;
      auto s = session::prepare(*models[k], *kept, *shared, plans[k].view(), options);
      if (!s) return s.error();
      out.sessions_[k].emplace(*s);
      out.shares_[k] = level_share(m, k);
      ++out.count_;
    }
    return out;
  }

  std::uint32_t levels() const noexcept { return count_; }
  /// As level_share().
  float share(std::uint32_t level) const noexcept { return shares_[level]; }
  /// One level as a session: its inputs, outputs, states and META. Run it only while no other level runs.
  session& at(std::uint32_t level) noexcept { return *sessions_[level]; }
  const session& at(std::uint32_t level) const noexcept { return *sessions_[level]; }

  void run(std::uint32_t level, std::uint32_t program = 0) noexcept { sessions_[level]->run(program); }
  /// Runs a program on every level, for one that pushes states.
  void run_all(std::uint32_t program) noexcept {
    for (std::uint32_t k = 0; k < count_; ++k) sessions_[k]->run(program);
  }
  /// Forgets the states of all levels.
  void reset() noexcept {
    for (std::uint32_t k = 0; k < count_; ++k) sessions_[k]->reset();
  }

private:
  elastic_session() noexcept = default;

  static result<isa> isa_of(const session_options& options) noexcept {
    if (options.level) return *options.level;
    return selected_isa();
  }

  std::array<std::optional<session>, format::max_levels + 1> sessions_{};
  std::array<float, format::max_levels + 1> shares_{};
  std::uint32_t count_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI
