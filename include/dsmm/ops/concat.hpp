// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/lut.hpp"
#include "dsmm/kernels/pad_channels.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// Joins tensors along H or C. Inputs of another scale pass through a table; those that the planner has put where they
/// belong are left alone.
struct concat_op {
  static constexpr op_kind kind = op_kind::concat;

  struct part {
    operand input;
    std::ptrdiff_t at;  ///< first element in the output
    bool same_scale, in_place;
  };
  struct prepared {
    operand output;
    std::array<part, max_inputs> parts;
    const kernels::u8_table* tables;  ///< one per input
    kernels::lut_function look_up;
    std::uint32_t count;
    std::int32_t zero_point;
    bool is_u8;
  };

  static result<op_request> request(const op_view& op, isa) noexcept {
    op_request r;
    r.prepared_bytes = op.inputs() * sizeof(kernels::u8_table);
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p,
                              std::span<std::byte> memory) noexcept {
    p.output = bind.output;
    p.count = op.inputs();
    p.zero_point = op.output().zero_point;
    p.is_u8 = type_of(op.output()) == dtype::u8;
    auto* const tables = reinterpret_cast<kernels::u8_table*>(memory.data());
    p.tables = tables;
    p.look_up = kernels::lut_for(bind.level);
    const bool along_h = op.attribute(0) == 0;
    std::ptrdiff_t at = 0;
    for (std::uint32_t i = 0; i < p.count; ++i) {
      const quantization x = quantization_of(op.input(i)), y = quantization_of(op.output());
      const std::byte* const target = bind.output.data + static_cast<std::size_t>(at) * size_of(type_of(op.output()));
      p.parts[i] = {bind.input[i], at, x == y, bind.input[i].data == target};
      ::new (tables + i) kernels::u8_table(p.is_u8 ? kernels::rescale_table(x, y) : kernels::u8_table{});
      at += along_h ? bind.input[i].shape.h * bind.output.row : bind.input[i].shape.c;
    }
    return {};
  }

  static void run(const prepared& p, const run_context&) noexcept {
    for (std::uint32_t i = 0; i < p.count; ++i) {
      if (p.parts[i].in_place) continue;
      if (!p.is_u8) copy<float>(p, p.parts[i]);
      else if (p.parts[i].same_scale) copy<std::uint8_t>(p, p.parts[i]);
      else look_up(p, p.parts[i], p.tables[i]);
    }
    if (p.is_u8) pad(p);
  }

private:
  /// The pixels of the output that a part fills.
  template <class T>
  static tensor_view<T> target(const prepared& p, const part& from) noexcept {
    auto y = p.output.view<T>();
    return {y.data + from.at, from.input.shape, y.row, y.pixel};
  }

  template <class T>
  static void copy(const prepared& p, const part& from) noexcept {
    const auto x = from.input.view<const T>();
    const auto y = target<T>(p, from);
    for (std::int32_t row = 0; row < x.shape.h; ++row)
      for (std::int32_t col = 0; col < x.shape.w; ++col)
        std::memcpy(y.at(row, col), x.at(row, col), static_cast<std::size_t>(x.shape.c) * sizeof(T));
  }

  static void look_up(const prepared& p, const part& from, const kernels::u8_table& table) noexcept {
    kernels::lut_rows(p.look_up, from.input.view<const std::uint8_t>(), table, target<std::uint8_t>(p, from), 0,
                      from.input.shape.h);
  }

  static void pad(const prepared& p) noexcept {
    const auto y = p.output.view<std::uint8_t>();
    if (kernels::padding_of(y.shape, y.pixel) == 0) return;
    for (std::int32_t row = 0; row < y.shape.h; ++row)
      for (std::int32_t col = 0; col < y.shape.w; ++col) kernels::pad_channels(y, y.at(row, col), p.zero_point);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
