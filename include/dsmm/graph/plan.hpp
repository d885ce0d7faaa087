// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/fixed_array.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/join_parts.hpp"
#include "dsmm/graph/plan_view.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/verify/tensors.hpp"
#include "dsmm/ops/op.hpp"
#include "dsmm/ops/registry.hpp"

/// The memory plan: where every tensor, packed weight and table lies in one arena. A pure function of the model and the
/// instruction set; the same model gives the same plan on every machine of that set. A plan for all sets of an
/// architecture can be made once and kept.
namespace dsmm::inline DSMM_ABI {

struct memory_plan {
  fixed_array<tensor_place> tensors;
  fixed_array<op_place> ops;
  std::uint64_t scratch = 0, temporary = 0, bytes = 0;  ///< as in plan_view

  plan_view view() const noexcept {
    return {{tensors.data(), tensors.size()}, {ops.data(), ops.size()}, scratch, temporary, bytes};
  }
};

namespace detail {

/// Kernels read whole vectors: up to this many bytes past the last element of a tensor (never used in a result).
inline constexpr std::uint64_t read_slack = 256;
/// Greedy placement compares pairs of tensors; beyond this many it would no longer be quick.
inline constexpr std::uint32_t max_planned = 4096;

class planner {
public:
  planner(const model& m, std::span<const isa> levels, ops::find_operator general) noexcept
      : model_(m), levels_(levels), general_(general) {}

  result<memory_plan> run() noexcept {
    if (model_.tensors().size() > 4 * max_planned || model_.ops().size() > max_planned)
      return failure{errc::too_large, "the graph has more ops or tensors than the planner accepts (4096 ops)"};
    plan_.tensors = fixed_array<tensor_place>(model_.tensors().size());
    plan_.ops = fixed_array<op_place>(model_.ops().size());
    order_ = fixed_array<std::uint32_t>(model_.tensors().size());
    by_offset_ = fixed_array<std::uint32_t>(model_.tensors().size() + 1);
    if (!plan_.tensors.valid() || !plan_.ops.valid() || !order_.valid() || !by_offset_.valid())
      return failure{errc::too_large, "no memory for the plan's tables"};
    if (auto ok = ask_ops(); !ok) return ok.error();
    if (!parts_.find(model_, {plan_.tensors.data(), plan_.tensors.size()}))
      return failure{errc::too_large, "no memory for the plan's tables"};
    if (auto ok = size_tensors(); !ok) return ok.error();
    find_lifetimes();
    place_kept();
    plan_.temporary = place_values();
    plan_.scratch = take(scratch_);
    // Weights are unpacked where values will lie later, which holds most of them without any memory of their own.
    const checked_size unpacked = checked_size(plan_.temporary) + checked_size(temporary_);
    if (!unpacked.valid() || unpacked.value() > end_.value()) end_ = unpacked;
    if (!end_.valid() || end_.value() > format::max_file)
      return failure{errc::too_large, "the graph needs more than 4 GiB of memory: use smaller inputs"};
    plan_.bytes = end_.value();
    return std::move(plan_);
  }

private:
  /// Each op's needs; the halo and ring length of a tensor is the largest that any reader asks for.
  result<void> ask_ops() noexcept {
    for (std::uint32_t i = 0; i < model_.ops().size(); ++i) {
      const ops::op_view op(model_, i);
      const ops::op_definition* definition = ops::find_definition(op.kind(), general_);
      if (definition == nullptr)
        return op.fail(errc::unsupported, is_general(op.kind())
                                              ? "a general operator: set session_options::general (ops/nd/registry.hpp)"
                                              : "this build has no such operator");
      for (const isa level : levels_)
        if (auto ok = ask_op(op, *definition, level); !ok) return ok;
    }
    return {};
  }

  result<void> ask_op(const ops::op_view& op, const ops::op_definition& definition, isa level) noexcept {
    const auto request = definition.request(op, level);
    if (!request) return request.error();
    op_place& at = plan_.ops[op.index()];
    at.bytes = std::max<std::uint64_t>(at.bytes, request->prepared_bytes);
    scratch_ = std::max(scratch_, request->scratch_bytes);
    temporary_ = std::max(temporary_, request->temporary_bytes);
    if (is_general(op.kind())) {
      for (std::uint32_t k = 0; k < op.outputs(); ++k) plan_.tensors[op.output_index(k)].plain = true;
      for (std::uint32_t k = 0; k < op.inputs(); ++k)
        if (op.has_input(k)) plan_.tensors[op.input_index(k)].plain = true;
      return {};
    }
    for (std::uint32_t k = 0; k < op.inputs(); ++k) {
      if (!op.has_input(k)) continue;
      tensor_place& place = plan_.tensors[op.input_index(k)];
      place.plain = place.plain || (request->plain_inputs >> k & 1u) != 0;
      tensor_layout& l = place.layout;
      const ops::halo& h = request->input_halo[k];
      l.top = std::max(l.top, h.top);
      l.left = std::max(l.left, h.left);
      l.bottom = std::max(l.bottom, h.bottom);
      l.right = std::max(l.right, h.right);
      place.capacity = std::max(place.capacity, request->state_extra[k]);
    }
    return {};
  }

  result<void> size_tensors() noexcept {
    for (std::uint32_t i = 0; i < model_.tensors().size(); ++i) {
      const format::tensor_row& t = model_.tensors()[i];
      if (t.kind == format::tensor_kind::constant || parts_.is_part(i)) continue;
      tensor_place& place = plan_.tensors[i];
      tensor_layout& l = place.layout;
      if (place.plain) {
        l.channels = t.dims[2];
        place.bytes = verify_impl::elements(t) * size_of(ops::type_of(t)) + read_slack;  // at most 2^33
        continue;
      }
      const bool padded = ops::type_of(t) == dtype::u8 && t.kind != format::tensor_kind::input && !is_picture(i);
      l.channels =
          padded ? static_cast<std::int32_t>(round_up(static_cast<std::size_t>(t.dims[2]), channel_block)) : t.dims[2];
      const checked_size row = checked_size(extent(l.left) + extent(t.dims[1]) + extent(l.right)) *
                               checked_size(extent(l.channels)) * checked_size(size_of(ops::type_of(t)));
      checked_size bytes = row * checked_size(extent(l.top) + extent(t.dims[0]) + extent(l.bottom));
      if (t.kind == format::tensor_kind::state) {
        place.capacity += static_cast<std::uint32_t>(t.dims[0]);
        bytes = row * checked_size(place.capacity) * checked_size(2);
      }
      bytes = bytes + checked_size(read_slack);
      if (!bytes.valid() || bytes.value() > format::max_file) {
        const std::string_view name = model_.name(t.name);
        return failure{errc::too_large, "a tensor needs more than 4 GiB: use smaller inputs", i}.named(name.data(),
                                                                                                       name.size());
      }
      place.bytes = bytes.value();
    }
    return {};
  }

  /// Quantized for convolutions alone, of one to three channels: these read a row of taps at once where pixels lie side
  /// by side, as in an input of the model.
  bool is_picture(std::uint32_t tensor) const noexcept {
    const format::tensor_row& t = model_.tensors()[tensor];
    if (t.kind != format::tensor_kind::value || t.dims[2] >= channel_block) return false;
    for (const format::op_row& op : model_.ops()) {
      for (const std::uint32_t v : model_.outputs(op))
        if (v == tensor && op.kind != static_cast<std::uint32_t>(op_kind::quantize) &&
            op.kind != static_cast<std::uint32_t>(op_kind::quantize_planes))
          return false;
      for (const std::uint32_t v : model_.inputs(op))
        if (v == tensor && op.kind != static_cast<std::uint32_t>(op_kind::conv2d)) return false;
    }
    return true;
  }

  void find_lifetimes() noexcept {
    for (std::uint32_t p = 0; p < model_.programs().size(); ++p) {
      const format::program_row& program = model_.programs()[p];
      const std::uint32_t end = program.first_op + program.op_count;
      for (std::uint32_t i = program.first_op; i < end; ++i) {
        const ops::op_view op(model_, i);
        for (std::uint32_t k = 0; k < op.outputs(); ++k) {
          tensor_place& place = plan_.tensors[op.output_index(k)];
          place.first = i;
          place.last = std::max(place.last, i);
        }
        for (std::uint32_t k = 0; k < op.inputs(); ++k)
          if (op.has_input(k))
            plan_.tensors[op.input_index(k)].last = std::max(plan_.tensors[op.input_index(k)].last, i);
      }
    }
    for (std::uint32_t i = 0; i < plan_.tensors.size(); ++i) {
      if (!parts_.is_part(i)) continue;
      tensor_place& whole = plan_.tensors[parts_.whole(i)];
      whole.first = std::min(whole.first, plan_.tensors[i].first);
      whole.last = std::max(whole.last, plan_.tensors[i].last);
    }
  }

  /// Packed ops, states, inputs and outputs keep their memory for the life of the session.
  void place_kept() noexcept {
    for (op_place& op : plan_.ops) op.offset = take(op.bytes);
    for (std::uint32_t i = 0; i < plan_.tensors.size(); ++i) {
      const format::tensor_kind kind = model_.tensors()[i].kind;
      if (kind == format::tensor_kind::input || kind == format::tensor_kind::output ||
          kind == format::tensor_kind::state)
        plan_.tensors[i].offset = take(plan_.tensors[i].bytes);
    }
  }

  /// Values: largest first, each at the lowest address where no value that lives at the same time lies.
  /// Values of different programs never live at the same time, so programs share this memory. Returns where it begins.
  std::uint64_t place_values() noexcept {
    std::size_t count = 0;
    for (std::uint32_t i = 0; i < plan_.tensors.size(); ++i)
      if (model_.tensors()[i].kind == format::tensor_kind::value && !parts_.is_part(i)) order_[count++] = i;
    std::sort(order_.begin(), order_.begin() + count, [this](std::uint32_t a, std::uint32_t b) {
      return plan_.tensors[a].bytes != plan_.tensors[b].bytes ? plan_.tensors[a].bytes > plan_.tensors[b].bytes : a < b;
    });
    std::uint64_t high = 0;
    for (std::size_t n = 0; n < count; ++n) {
      tensor_place& t = plan_.tensors[order_[n]];
      t.offset = lowest_free(t, n);
      high = std::max(high, t.offset + t.bytes);
      const auto behind = [&](std::uint64_t offset, std::uint32_t i) { return offset < plan_.tensors[i].offset; };
      std::uint32_t* const at = std::upper_bound(by_offset_.begin(), by_offset_.begin() + n, t.offset, behind);
      std::copy_backward(at, by_offset_.begin() + n, by_offset_.begin() + n + 1);
      *at = order_[n];
    }
    const std::uint64_t base = take(high);
    for (std::size_t n = 0; n < count; ++n) plan_.tensors[order_[n]].offset += base;
    place_parts();
    return base;
  }

  void place_parts() noexcept {
    for (std::uint32_t i = 0; i < plan_.tensors.size(); ++i) {
      if (!parts_.is_part(i)) continue;
      plan_.tensors[i] = plan_.tensors[parts_.whole(i)];
      plan_.tensors[i].part = true;
      plan_.tensors[i].channel = parts_.channel(i);
    }
  }

  std::uint64_t lowest_free(const tensor_place& t, std::size_t placed) const noexcept {
    std::uint64_t at = 0;
    for (std::size_t n = 0; n < placed; ++n) {
      const tensor_place& other = plan_.tensors[by_offset_[n]];
      if (t.first > other.last || other.first > t.last) continue;
      if (at + t.bytes <= other.offset) break;
      at = std::max<std::uint64_t>(at, round_up(other.offset + other.bytes, format::alignment));
    }
    return at;
  }

  std::uint64_t take(std::uint64_t bytes) noexcept {
    const checked_size begin = end_.aligned(format::alignment);
    end_ = begin + checked_size(bytes);
    return begin.valid() ? begin.value() : 0;
  }

  static std::uint64_t extent(std::int32_t value) noexcept { return static_cast<std::uint64_t>(value); }

  const model& model_;
  std::span<const isa> levels_;
  ops::find_operator general_;
  memory_plan plan_;
  joined_parts parts_;
  fixed_array<std::uint32_t> order_, by_offset_;
  std::size_t scratch_ = 0, temporary_ = 0;
  checked_size end_{};
};

}  // namespace detail

/// Plans the memory of every program of `m`. Allocates its tables; Errors: unsupported, too_large, and what ops report.
inline result<memory_plan> make_plan(const model& m, isa level, ops::find_operator general = nullptr) noexcept {
  return detail::planner(m, {&level, 1}, general).run();
}

/// One plan for every instruction set of this architecture: each op gets what the neediest of them asks for.
inline result<memory_plan> make_portable_plan(const model& m, ops::find_operator general = nullptr) noexcept {
  std::array<isa, isa_rows.size()> levels{};
  for (std::size_t i = 0; i < levels.size(); ++i) levels[i] = isa_rows[i].id;
  return detail::planner(m, levels, general).run();
}

}  // namespace dsmm::inline DSMM_ABI
