// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <tuple>
#include <type_traits>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/core/float_mode.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/graph/fill_halo.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/models/net/layers.hpp"
#include "dsmm/models/net/places.hpp"
#include "dsmm/ops/add.hpp"
#include "dsmm/ops/conv2d.hpp"
#include "dsmm/ops/linear.hpp"
#include "dsmm/ops/op.hpp"
#include "dsmm/ops/pool.hpp"

namespace dsmm::inline DSMM_ABI {

namespace net_impl {

template <op_kind Kind>
struct op_of;
template <>
struct op_of<op_kind::conv2d> : std::type_identity<ops::conv2d_op> {};
template <>
struct op_of<op_kind::linear> : std::type_identity<ops::linear_op> {};
template <>
struct op_of<op_kind::add> : std::type_identity<ops::add_op> {};
template <>
struct op_of<op_kind::max_pool> : std::type_identity<ops::max_pool_op> {};
template <>
struct op_of<op_kind::avg_pool> : std::type_identity<ops::avg_pool_op> {};

/// Whether op k of a model is node n, given which tensors of the model are those of the net.
inline bool matches(const node& n, const ops::op_view& op, std::span<const std::uint32_t> tensors) noexcept {
  if (op.kind() != static_cast<std::uint32_t>(n.kind) || op.outputs() != 1) return false;
  if (op.input_index(0) != tensors[static_cast<std::size_t>(n.from[0])]) return false;
  if (n.from[1] >= 0 && op.input_index(1) != tensors[static_cast<std::size_t>(n.from[1])]) return false;
  for (std::size_t i = 0; i < n.attribute_count; ++i)
    if (op.attribute(static_cast<std::uint32_t>(i)) != n.attributes[i]) return false;
  if (n.weight_count() != 0)
    for (std::size_t i = 0; i < 4; ++i)
      if (op.input(1).dims[i] != n.weights[i]) return false;
  return ops::shape_of(op.input(0)) == n.in && ops::shape_of(op.output()) == n.out &&
         ops::type_of(op.output()) == (n.f32 ? dtype::f32 : dtype::u8);
}

}  // namespace net_impl

/// A small network that is spelled out in C++: shapes, memory and parameters are compile-time facts, a layer that does
/// not fit does not compile, and every op is a direct call. The integer tier; the bits of a session on the same model.
///
///   using score_net =
///       dsmm::net<dsmm::input<64, 64, 1>, dsmm::conv<16, 3, dsmm::conv_options{.stride = 2}>, dsmm::relu,
///                 dsmm::residual<dsmm::conv<16, 3>>, dsmm::global_pool, dsmm::linear<2, true>>;
///   alignas(64) static std::byte arena[score_net::arena];
///   auto net = score_net::open(*model, arena);
///
/// Weights and scales come from a model whose first program is that graph, op by op.
template <class Input, class... Layers>
class net {
  static constexpr std::size_t count = (Layers::ops + ... + 0);
  static_assert(count > 0, "dsmm::net: it has no layer");
  static constexpr net_impl::graph<count> graph = [] {
    net_impl::graph<count> g;
    g.shape = Input::shape;
    (Layers::add(g), ...);
    return g;
  }();
  static_assert(graph.error != net_impl::misfit::window, "dsmm::net: a window is larger than what it slides over");
  static_assert(graph.error != net_impl::misfit::residual, "dsmm::net: the layers of a residual must keep the shape");
  static_assert(graph.error != net_impl::misfit::relu, "dsmm::net: relu follows a conv, a linear or a residual");
  static_assert(graph.error != net_impl::misfit::groups, "dsmm::net: groups must divide the channels on both sides");
  static_assert(graph.error != net_impl::misfit::after_f32, "dsmm::net: no layer can follow one that gives f32");
  static constexpr net_impl::places<count> places = net_impl::place_all(graph, Input::shape);
  static constexpr bool is_f32 = graph.nodes[count - 1].f32;

public:
  static constexpr extents in = Input::shape;
  static constexpr extents out = graph.shape;
  static constexpr std::size_t arena = places.bytes;  ///< bytes, for every instruction set of this architecture
  static constexpr std::size_t weights = [] {
    std::size_t n = 0;
    for (const net_impl::node& o : graph.nodes) n += o.weight_count();
    return n;
  }();
  using output_type = std::conditional_t<is_f32, float, std::uint8_t>;

  /// Packs the weights of `m` into `memory`. `m` and `memory` must outlive the net. Allocates nothing.
  /// Errors: shape_mismatch (the model is another graph; `where` is the op), arena_too_small (or misaligned),
  ///         bad_value, too_large (weights in groups smaller than 32), as selected_isa().
  static result<net> open(const model& m, std::span<std::byte> memory, executor exec = {},
                          std::optional<isa> level = {}) noexcept {
    if (!level) {
      const auto best = selected_isa();
      if (!best) return best.error();
      level = *best;
    }
    if (memory.size() < arena || reinterpret_cast<std::uintptr_t>(memory.data()) % 64 != 0)
      return failure{errc::arena_too_small, "give a net `arena` bytes at a multiple of 64"};
    net n(exec);
    if (auto ok = n.match(m); !ok) return ok.error();
    std::memset(memory.data(), 0, arena);
    n.bind(m, memory.data());
    if (auto ok = n.prepare(m, memory, *level, std::make_index_sequence<count>()); !ok) return ok.error();
    std::memset(memory.data() + places.temporary, 0, arena - places.temporary);
    if (has_halo(places.tensors[0].layout)) fill_halo(n.operands_[0], places.tensors[0].layout, n.zeros_[0]);
    return n;
  }

  /// Written before run(); values stay.
  tensor_view<std::uint8_t> input() const noexcept { return operands_[0].template view<std::uint8_t>(); }
  /// Holds until the next run.
  tensor_view<const output_type> output() const noexcept {
    return operands_[count].template view<const output_type>();
  }

  /// Neither allocates, locks nor throws.
  void run() noexcept {
    const exact_float_mode mode;
    run_all(std::make_index_sequence<count>());
  }

private:
  explicit net(executor exec) noexcept : context_{exec, nullptr} {}

  template <std::size_t I>
  using op = typename net_impl::op_of<graph.nodes[I].kind>::type;
  template <class>
  struct prepared_of;
  template <std::size_t... I>
  struct prepared_of<std::index_sequence<I...>> : std::type_identity<std::tuple<typename op<I>::prepared...>> {};

  result<void> match(const model& m) noexcept {
    const auto differs = [](std::size_t i) {
      return failure{errc::shape_mismatch, "the model is not the graph of this net", static_cast<std::int64_t>(i)};
    };
    if (m.programs().empty() || m.programs()[0].first_op != 0 || m.programs()[0].op_count != count) return differs(0);
    for (std::size_t i = 0; i < count; ++i) {
      const ops::op_view view(m, static_cast<std::uint32_t>(i));
      if (i == 0) tensors_[0] = view.input_index(0);
      if (view.outputs() != 0) tensors_[i + 1] = view.output_index(0);
      if (!net_impl::matches(graph.nodes[i], view, tensors_)) return differs(i);
    }
    if (m.tensors()[tensors_[0]].kind != format::tensor_kind::input ||
        ops::type_of(m.tensors()[tensors_[0]]) != dtype::u8 || ops::shape_of(m.tensors()[tensors_[0]]) != in)
      return differs(0);
    return {};
  }

  void bind(const model& m, std::byte* memory) noexcept {
    for (std::size_t i = 0; i <= count; ++i) {
      const format::tensor_row& t = m.tensors()[tensors_[i]];
      const tensor_layout& l = places.tensors[i].layout;
      ops::operand& o = operands_[i];
      o.shape = ops::shape_of(t);
      o.pixel = l.channels;
      o.row = (std::ptrdiff_t{l.left} + o.shape.w + l.right) * l.channels;
      const auto skip = static_cast<std::size_t>(l.top * o.row + l.left * o.pixel);
      o.data = memory + places.tensors[i].offset + skip * size_of(ops::type_of(t));
      zeros_[i] = t.zero_point;
    }
  }

  template <std::size_t... I>
  result<void> prepare(const model& m, std::span<std::byte> memory, isa level, std::index_sequence<I...>) noexcept {
    result<void> ok;
    static_cast<void>(((ok = prepare_op<I>(m, memory, level), ok.has_value()) && ...));
    return ok;
  }
  template <std::size_t I>
  result<void> prepare_op(const model& m, std::span<std::byte> memory, isa level) noexcept {
    const ops::op_view view(m, static_cast<std::uint32_t>(I));
    const auto request = op<I>::request(view, level);
    if (!request) return request.error();
    if (request->prepared_bytes > places.ops[I].bytes || request->scratch_bytes != 0)
      return view.fail(errc::too_large, "the op needs more memory than a net plans for it: use a session");
    ops::op_binding binding;
    for (std::size_t k = 0; k < 2; ++k)
      if (graph.nodes[I].from[k] >= 0) binding.input[k] = operands_[static_cast<std::size_t>(graph.nodes[I].from[k])];
    binding.output = operands_[I + 1];
    binding.level = level;
    binding.temporary = memory.subspan(places.temporary, arena - places.temporary);
    return op<I>::prepare(view, binding, std::get<I>(prepared_),
                          memory.subspan(places.ops[I].offset, places.ops[I].bytes));
  }

  template <std::size_t... I>
  void run_all(std::index_sequence<I...>) noexcept {
    (run_op<I>(), ...);
  }
  template <std::size_t I>
  void run_op() noexcept {
    if constexpr (has_halo(places.tensors[I + 1].layout))
      fill_halo(operands_[I + 1], places.tensors[I + 1].layout, zeros_[I + 1]);
    op<I>::run(std::get<I>(prepared_), context_);
  }

  ops::run_context context_;
  std::array<std::uint32_t, count + 1> tensors_{};  ///< of the model
  std::array<ops::operand, count + 1> operands_{};
  std::array<std::int32_t, count + 1> zeros_{};
  typename prepared_of<std::make_index_sequence<count>>::type prepared_{};
};

}  // namespace dsmm::inline DSMM_ABI
