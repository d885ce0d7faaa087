// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/kernels/eltwise.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// x where a flag is set, a learned replacement where it is not: how a network lives with a missing sensor.
struct select_op {
  static constexpr op_kind kind = op_kind::select;

  struct prepared {
    operand flag, input, otherwise, output;
    std::int32_t zero_point;
    bool is_u8;
  };

  static result<op_request> request(const op_view&, isa) noexcept { return op_request{}; }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p, std::span<std::byte>) noexcept {
    p = {bind.input[0], bind.input[1],          bind.input[2],
         bind.output,   op.output().zero_point, type_of(op.output()) == dtype::u8};
    return {};
  }

  static void run(const prepared& p, const run_context&) noexcept {
    const float flag = p.flag.view<const float>().data[0];
    if (p.is_u8) choose<std::uint8_t>(p, flag);
    else choose<float>(p, flag);
  }

private:
  template <class T>
  static void choose(const prepared& p, float flag) noexcept {
    kernels::select<T>(flag, p.input.view<const T>(), p.otherwise.view<const T>(), p.output.view<T>(), p.zero_point, 0,
                       p.output.shape.h);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
