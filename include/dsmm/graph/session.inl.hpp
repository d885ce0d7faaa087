// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

#include "dsmm/graph/check_plan.hpp"
#include "dsmm/graph/fill_halo.hpp"
#include "dsmm/graph/plan.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/model/verify/tensors.hpp"
#include "dsmm/ops/registry.hpp"

namespace dsmm::inline DSMM_ABI {

namespace session_impl {

inline result<isa> level_of(const session_options& options) noexcept {
  if (options.level) return *options.level;
  return selected_isa();
}

}  // namespace session_impl

DSMM_INLINE result<std::size_t> session::required(const model& m, const session_options& options) noexcept {
  const auto level = session_impl::level_of(options);
  if (!level) return level.error();
  auto plan = make_plan(m, *level, options.general);
  if (!plan) return plan.error();
  return required(plan->view());
}

DSMM_INLINE result<session> session::prepare(const model& m, std::span<std::byte> arena,
                                             const session_options& options) noexcept {
  const auto level = session_impl::level_of(options);
  if (!level) return level.error();
  auto plan = make_plan(m, *level, options.general);
  if (!plan) return plan.error();
  return place(m, arena, plan->view(), *level, options);
}

DSMM_INLINE result<session> session::prepare(const model& m, std::span<std::byte> arena, const plan_view& plan,
                                             const session_options& options) noexcept {
  const auto level = session_impl::level_of(options);
  if (!level) return level.error();
  if (auto ok = check_plan(m, plan, *level, options.general); !ok) return ok.error();
  return place(m, arena, plan, *level, options);
}

DSMM_INLINE result<session> session::prepare(const model& m, std::span<std::byte> kept, std::span<std::byte> shared,
                                             const plan_view& plan, const session_options& options) noexcept {
  const auto level = session_impl::level_of(options);
  if (!level) return level.error();
  if (auto ok = check_plan(m, plan, *level, options.general); !ok) return ok.error();
  return place(m, kept, shared, plan, *level, options);
}

DSMM_INLINE result<std::uint32_t> session::find(std::string_view name) const noexcept {
  if (const auto i = model_.find_tensor(name)) return *i;
  return failure{errc::not_found, "the model has no tensor of this name"}.named(name.data(), name.size());
}

DSMM_INLINE std::span<std::byte> session::plain(std::uint32_t tensor) const noexcept {
  const format::tensor_row& t = model_.tensors()[tensor];
  return {operands_[tensor].data, static_cast<std::size_t>(verify_impl::elements(t) * size_of(ops::type_of(t)))};
}

DSMM_INLINE void session::reset() noexcept {
  for (std::uint32_t i = 0; i < model_.tensors().size(); ++i)
    if (operands_[i].state != nullptr)
      operands_[i].state->reset(static_cast<std::uint8_t>(model_.tensors()[i].zero_point));
}

DSMM_INLINE result<session> session::place(const model& m, std::span<std::byte> arena, const plan_view& plan,
                                           isa level, const session_options& options) noexcept {
  if (arena.size() < required(plan))
    return failure{errc::arena_too_small, "the arena is smaller than session::required() says"};
  const std::size_t kept = required_parts(plan).kept;
  return place(m, arena.first(kept), arena.subspan(kept), plan, level, options);
}

DSMM_INLINE result<session> session::place(const model& m, std::span<std::byte> kept, std::span<std::byte> shared,
                                           const plan_view& plan, isa level, const session_options& options) noexcept {
  const auto aligned = [](std::span<std::byte> s) {
    return reinterpret_cast<std::uintptr_t>(s.data()) % format::alignment == 0;
  };
  const session_parts parts = required_parts(plan);
  if (!aligned(kept) || (parts.shared != 0 && !aligned(shared)))
    return failure{errc::arena_too_small, "the arena must start at a multiple of 64 bytes"};
  if (kept.size() < parts.kept || shared.size() < parts.shared)
    return failure{errc::arena_too_small, "the arena is smaller than session::required_parts() says"};
  session s(m, kept.data(), shared.data(), options.exec);
  if (auto ok = s.build(plan, level, options.general); !ok) return ok.error();
  s.reset();
  return s;
}

template <class T>
T* session::table(std::size_t count) noexcept {
  T* const first = reinterpret_cast<T*>(arena_);
  for (std::size_t i = 0; i < count; ++i) ::new (first + i) T{};
  arena_ += round_up(count * sizeof(T), format::alignment);
  return first;
}

DSMM_INLINE result<void> session::build(const plan_view& plan, isa level, ops::find_operator general) noexcept {
  const std::size_t tensors = model_.tensors().size();
  steps_ = table<step>(model_.ops().size());
  operands_ = table<ops::operand>(tensors);
  layouts_ = table<tensor_layout>(tensors);
  state_ring* const rings = table<state_ring>(tensors);
  first_shared_ = plan.temporary;
  const std::span<std::byte> temporary(shared_, static_cast<std::size_t>(plan.bytes - plan.temporary));
  std::memset(arena_, 0, static_cast<std::size_t>(plan.temporary));
  if (!temporary.empty()) std::memset(temporary.data(), 0, temporary.size());
  context_.scratch = at(plan.scratch);
  for (std::uint32_t i = 0; i < tensors; ++i) bind(i, plan.tensors[i], rings[i]);
  for (std::uint32_t i = 0; i < model_.ops().size(); ++i)
    if (auto ok = prepare_op(i, plan.ops[i], temporary, level, general); !ok) return ok.error();
  if (!temporary.empty()) std::memset(temporary.data(), 0, temporary.size());
  for (std::uint32_t i = 0; i < tensors; ++i)
    if (model_.tensors()[i].kind == format::tensor_kind::input && has_halo(layouts_[i])) refill_halo(i);
  return {};
}

DSMM_INLINE void session::bind(std::uint32_t index, const tensor_place& place, state_ring& ring) noexcept {
  const format::tensor_row& t = model_.tensors()[index];
  ops::operand& o = operands_[index];
  o.shape = ops::shape_of(t);
  if (t.kind == format::tensor_kind::constant) {
    o.data = const_cast<std::byte*>(model_.constant(index).data());  // read only: ops get it as an input
    o.pixel = t.dims[2];
    o.row = std::ptrdiff_t{t.dims[1]} * t.dims[2];
    return;
  }
  const tensor_layout& l = place.layout;
  layouts_[index] = l;
  o.pixel = l.channels;
  o.row = (std::ptrdiff_t{l.left} + t.dims[1] + l.right) * l.channels;
  if (place.part) layouts_[index] = {.channels = l.channels};  // the halo is the whole's
  const std::size_t element = size_of(ops::type_of(t));
  std::byte* const base = at(place.offset);
  if (t.kind == format::tensor_kind::state) {
    ring = {base, static_cast<std::size_t>(o.row) * element, static_cast<std::uint32_t>(t.dims[0]), place.capacity, 0};
    o.state = &ring;
  } else {
    o.data = base + static_cast<std::size_t>(l.top * o.row + l.left * o.pixel + place.channel) * element;
  }
}

DSMM_INLINE result<void> session::prepare_op(std::uint32_t index, const op_place& place, std::span<std::byte> temporary,
                                             isa level, ops::find_operator general) noexcept {
  const ops::op_view op(model_, index);
  ops::op_binding binding;
  binding.level = level;
  binding.temporary = temporary;
  for (std::uint32_t k = 0; k < op.inputs(); ++k)
    if (op.has_input(k)) binding.input[k] = operands_[op.input_index(k)];
  if (op.outputs() != 0) binding.output = operands_[op.output_index(0)];
  for (std::uint32_t k = 1; k < op.outputs(); ++k) binding.more[k - 1] = operands_[op.output_index(k)];
  const ops::op_definition* definition = ops::find_definition(op.kind(), general);
  std::byte* const memory = at(place.offset);
  steps_[index] = {definition->run, memory, format::no_tensor};
  if (op.outputs() != 0 && has_halo(layouts_[op.output_index(0)])) steps_[index].halo_of = op.output_index(0);
  return definition->prepare(op, binding, {memory, place.bytes});
}

DSMM_INLINE void session::refill_halo(std::uint32_t index) noexcept {
  if (operands_[index].state == nullptr)
    fill_halo(operands_[index], layouts_[index], model_.tensors()[index].zero_point);
}

}  // namespace dsmm::inline DSMM_ABI
