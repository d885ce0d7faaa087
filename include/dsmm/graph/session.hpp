// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/core/float_mode.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/graph/plan_view.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/state_ring.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI {

struct session_options {
  executor exec{};           ///< runs on the calling thread by default
  std::optional<isa> level;  ///< instruction set; the machine's best (or DSMM_ISA) by default. Never changes a result.
  ops::find_operator general = nullptr;  ///< &ops::nd::find_definition where the model holds general operators
};

/// Bytes of a session's memory.
struct session_parts {
  std::size_t kept = 0;    ///< tables, packed weights, inputs, outputs, states
  std::size_t shared = 0;  ///< values and scratch: of one run only
};

/// A model made ready to run: packed weights, states and activations in one arena that the caller owns.
///
/// required() and prepare() may fail, and allocate tables for planning unless a finished plan is given; run() can do
/// neither, takes no lock, and gives the same bits on every machine, instruction set and thread count.
/// The model's file and the arena must outlive the session. One thread at a time; sessions may share a file.
class session {
public:
  /// Bytes of arena that prepare() needs, at any 64-byte aligned address. Errors: as make_plan.
  static result<std::size_t> required(const model& m, const session_options& options = {}) noexcept;
  /// Of a finished plan; a constant if the plan is one.
  static constexpr std::size_t required(const plan_view& plan) noexcept {
    return tables_bytes(plan.ops.size(), plan.tensors.size()) + static_cast<std::size_t>(plan.bytes);
  }

  /// Of a finished plan: what must last as long as the session, and what only a run uses. Sessions that never run at
  /// the same time may use the same bytes for the second part.
  static constexpr session_parts required_parts(const plan_view& plan) noexcept {
    return {tables_bytes(plan.ops.size(), plan.tensors.size()) + static_cast<std::size_t>(plan.temporary),
            static_cast<std::size_t>(plan.bytes - plan.temporary)};
  }

  /// Packs the weights and lays out memory. Errors: arena_too_small (or misaligned), unsupported, too_large, bad_value.
  static result<session> prepare(const model& m, std::span<std::byte> arena,
                                 const session_options& options = {}) noexcept;

  /// As above with a plan that make_plan() or make_portable_plan() made of this model, earlier or elsewhere. Allocates
  /// nothing. Errors: as above; shape_mismatch (a plan of another model), too_large (of another architecture or dsmm).
  static result<session> prepare(const model& m, std::span<std::byte> arena, const plan_view& plan,
                                 const session_options& options = {}) noexcept;

  /// As above, in two pieces of memory, each aligned to 64 and as large as required_parts() says. What others leave in
  /// `shared` between two runs never changes a result.
  static result<session> prepare(const model& m, std::span<std::byte> kept, std::span<std::byte> shared,
                                 const plan_view& plan, const session_options& options = {}) noexcept;

  const model& source() const noexcept { return model_; }

  /// Index of a tensor for u8() and f32(); look it up once, at setup. Errors: not_found.
  result<std::uint32_t> find(std::string_view name) const noexcept;
  /// Views of inputs (written before run; values stay) and outputs (hold until the next run of their program).
  tensor_view<std::uint8_t> u8(std::uint32_t tensor) const noexcept { return operands_[tensor].view<std::uint8_t>(); }
  tensor_view<float> f32(std::uint32_t tensor) const noexcept { return operands_[tensor].view<float>(); }
  /// The bytes of a plain tensor of any type and rank, row-major: what general operators read and write.
  std::span<std::byte> plain(std::uint32_t tensor) const noexcept;

  /// Runs the ops of one program. Neither allocates, locks nor throws.
  void run(std::uint32_t program = 0) noexcept {
    run_observed(program, [](std::uint32_t) {});
  }

  /// As run(), and calls after(i) when op i of the model (all programs counted) has run: for a profiler, or to look at
  /// values. What it does not use costs nothing.
  template <class F>
  void run_observed(std::uint32_t program, F&& after) noexcept {
    const exact_float_mode mode;
    const format::program_row& p = model_.programs()[program];
    for (std::uint32_t i = p.first_op; i < p.first_op + p.op_count; ++i) {
      const step& s = steps_[i];
      if (s.halo_of != format::no_tensor) refill_halo(s.halo_of);
      s.run(s.memory, context_);
      after(i);
    }
  }

  /// Forgets all states: the next run is the first of a new stream.
  void reset() noexcept;

private:
  struct step {
    void (*run)(const std::byte* memory, const ops::run_context&) noexcept = nullptr;
    const std::byte* memory = nullptr;
    std::uint32_t halo_of = format::no_tensor;  ///< output whose halo must hold the zero point before the op runs
  };

  session(const model& m, std::byte* kept, std::byte* shared, executor exec) noexcept
      : model_(m), arena_(kept), shared_(shared), context_{exec, nullptr} {}

  static constexpr std::size_t tables_bytes(std::size_t ops, std::size_t tensors) noexcept {
    return round_up(ops * sizeof(step), format::alignment) +
           round_up(tensors * sizeof(ops::operand), format::alignment) +
           round_up(tensors * sizeof(tensor_layout), format::alignment) +
           round_up(tensors * sizeof(state_ring), format::alignment);
  }

  static result<session> place(const model& m, std::span<std::byte> arena, const plan_view& plan, isa level,
                               const session_options& options) noexcept;
  static result<session> place(const model& m, std::span<std::byte> kept, std::span<std::byte> shared,
                               const plan_view& plan, isa level, const session_options& options) noexcept;
  template <class T>
  T* table(std::size_t count) noexcept;
  result<void> build(const plan_view& plan, isa level, ops::find_operator general) noexcept;
  /// Where an offset of the plan lies.
  std::byte* at(std::uint64_t offset) const noexcept {
    return offset < first_shared_ ? arena_ + offset : shared_ + (offset - first_shared_);
  }
  void bind(std::uint32_t index, const tensor_place& place, state_ring& ring) noexcept;
  result<void> prepare_op(std::uint32_t index, const op_place& place, std::span<std::byte> temporary, isa level,
                          ops::find_operator general) noexcept;
  void refill_halo(std::uint32_t index) noexcept;

  model model_;
  std::byte* arena_;
  std::byte* shared_;
  std::uint64_t first_shared_ = 0;  ///< offset in the plan
  ops::run_context context_;
  step* steps_ = nullptr;
  ops::operand* operands_ = nullptr;
  tensor_layout* layouts_ = nullptr;
};

}  // namespace dsmm::inline DSMM_ABI

#if !DSMM_COMPILED
#include "dsmm/graph/session.inl.hpp"
#endif
