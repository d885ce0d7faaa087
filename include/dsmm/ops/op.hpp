// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/op_kind.hpp"
#include "dsmm/model/state_ring.hpp"

/// What an operator is to the session: it states its needs, then prepares itself, then runs without any error path.
namespace dsmm::inline DSMM_ABI::ops {

/// One op of a verified model. The verifier has checked counts, indices, ranges and shapes; ops rely on that.
class op_view {
public:
  op_view(const model& m, std::uint32_t index) noexcept : model_(&m), row_(&m.ops()[index]), index_(index) {}

  const model& source() const noexcept { return *model_; }
  std::uint32_t index() const noexcept { return index_; }
  std::uint32_t kind() const noexcept { return row_->kind; }
  std::uint32_t inputs() const noexcept { return row_->input_count; }
  std::uint32_t outputs() const noexcept { return row_->output_count; }
  std::uint32_t input_index(std::uint32_t i) const noexcept { return model_->indices()[row_->first_input + i]; }
  std::uint32_t output_index(std::uint32_t i) const noexcept { return model_->indices()[row_->first_output + i]; }
  bool has_input(std::uint32_t i) const noexcept { return i < inputs() && input_index(i) != format::no_tensor; }
  const format::tensor_row& input(std::uint32_t i) const noexcept { return model_->tensors()[input_index(i)]; }
  const format::tensor_row& output(std::uint32_t i = 0) const noexcept { return model_->tensors()[output_index(i)]; }
  std::uint32_t first_attribute() const noexcept { return row_->first_attribute; }
  std::int32_t attribute(std::uint32_t i) const noexcept { return model_->attributes()[row_->first_attribute + i]; }
  float attribute_f32(std::uint32_t i) const noexcept { return std::bit_cast<float>(attribute(i)); }
  /// Elements of a constant input.
  template <class T>
  const T* constant(std::uint32_t i) const noexcept {
    return reinterpret_cast<const T*>(model_->constant(input_index(i)).data());
  }

  /// A failure that carries this op's index and name.
  failure fail(errc code, const char* text) const noexcept {
    const std::string_view name = model_->name(row_->name);
    return failure{code, text, static_cast<std::int64_t>(index_)}.named(name.data(), name.size());
  }

private:
  const model* model_;
  const format::op_row* row_;
  std::uint32_t index_;
};

constexpr extents shape_of(const format::tensor_row& t) noexcept { return {t.dims[0], t.dims[1], t.dims[2]}; }
constexpr dtype type_of(const format::tensor_row& t) noexcept { return static_cast<dtype>(t.type); }
inline quantization quantization_of(const format::tensor_row& t) noexcept { return {t.scale, t.zero_point}; }

inline constexpr std::uint32_t max_inputs = 16;

/// Elements that an op reads around an input, and rows of a state that it reads beyond the state's own.
struct halo {
  std::int32_t top = 0, left = 0, bottom = 0, right = 0;
};

/// What an op asks of the planner.
struct op_request {
  std::array<halo, max_inputs> input_halo{};
  std::array<std::uint32_t, max_inputs> state_extra{};  ///< extra rows that the ring of a state input must keep
  std::uint32_t plain_inputs = 0;                       ///< bit i: input i is read as a plain tensor, whatever its rank
  std::size_t prepared_bytes = 0;                       ///< packed weights and tables; kept
  std::size_t scratch_bytes = 0;                        ///< valid during run() only
  std::size_t temporary_bytes = 0;                      ///< valid during prepare() only
};

/// Where an op finds a tensor at run time. A state has moved by the next run, so its view is asked for each time.
struct operand {
  std::byte* data = nullptr;  ///< first element inside the halo; null for a state
  state_ring* state = nullptr;
  extents shape{};
  std::ptrdiff_t row = 0, pixel = 0;  ///< elements

  template <class T>
  tensor_view<T> view() const noexcept {
    const std::byte* at = state != nullptr ? state->view() : data;
    return {reinterpret_cast<T*>(const_cast<std::byte*>(at)), shape, row, pixel};
  }
};

/// Appends every row of a series to a state.
template <class T>
void push_rows(state_ring& state, tensor_view<const T> x) noexcept {
  state.push(reinterpret_cast<const std::byte*>(x.data), static_cast<std::size_t>(x.row) * sizeof(T),
             static_cast<std::size_t>(x.shape.c) * sizeof(T), static_cast<std::uint32_t>(x.shape.h));
}

struct op_binding {
  std::array<operand, max_inputs> input{};
  operand output{};
  std::array<operand, 2> more{};  ///< outputs 1 and 2
  isa level{};
  std::span<std::byte> temporary;  ///< at least the temporary_bytes that the op asked for
};

struct run_context {
  executor exec;
  std::byte* scratch = nullptr;
};

/// One operator, type-erased: a row of the registry.
struct op_definition {
  op_kind kind;
  result<op_request> (*request)(const op_view&, isa level);
  result<void> (*prepare)(const op_view&, const op_binding&, std::span<std::byte> memory);
  void (*run)(const std::byte* memory, const run_context&) noexcept;
};

/// The definitions of one tier: the row of a kind, or nullptr.
using find_operator = const op_definition* (*)(std::uint32_t kind) noexcept;

/// Bytes that a prepared struct takes at the start of its op's memory.
template <class Prepared>
inline constexpr std::size_t prepared_head = (sizeof(Prepared) + 63) / 64 * 64;

/// The row of an op class `Op` with a POD `Op::prepared`, request(), prepare() and run(): its prepared struct lies at
/// the start of its memory, tables behind it.
template <class Op>
constexpr op_definition define() noexcept {
  using prepared = typename Op::prepared;
  static_assert(std::is_trivially_destructible_v<prepared>);
  return {Op::kind,
          [](const op_view& op, isa level) -> result<op_request> {
            auto request = Op::request(op, level);
            if (request) request->prepared_bytes = prepared_head<prepared> + (request->prepared_bytes + 63) / 64 * 64;
            return request;
          },
          [](const op_view& op, const op_binding& bind, std::span<std::byte> memory) -> result<void> {
            return Op::prepare(op, bind, *::new (memory.data()) prepared{}, memory.subspan(prepared_head<prepared>));
          },
          [](const std::byte* memory, const run_context& context) noexcept {
            Op::run(*std::launder(reinterpret_cast<const prepared*>(memory)), context);
          }};
}

/// Splits `rows` rows of work into tasks of about `target` operations each; the split depends on the shape alone. Few
/// operations are enough: rows that stay with the thread that wrote them need not change caches, and that is worth more
/// than what a task costs (adds of ResNet-18 on two threads: whole 377 us, cut 94; on one 143).
struct row_tasks {
  std::int32_t rows = 1, per_task = 1;
  std::uint32_t count() const noexcept { return static_cast<std::uint32_t>((rows + per_task - 1) / per_task); }
};

constexpr row_tasks split_rows(std::int32_t rows, std::int64_t work_per_row, std::int64_t target = 1 << 15) noexcept {
  const std::int64_t per_task = work_per_row <= 0 ? rows : (target + work_per_row - 1) / work_per_row;
  return {rows, static_cast<std::int32_t>(per_task < 1 ? 1 : per_task > rows ? rows : per_task)};
}

/// f(first_row, last_row) over all tasks.
template <class F>
void for_rows(const run_context& context, row_tasks tasks, F&& f) noexcept {
  context.exec.each(tasks.count(), [&](std::uint32_t i) {
    const std::int32_t begin = static_cast<std::int32_t>(i) * tasks.per_task;
    const std::int32_t end = begin + tasks.per_task;
    f(begin, end < tasks.rows ? end : tasks.rows);
  });
}

}  // namespace dsmm::inline DSMM_ABI::ops
