// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/kernels/fft.hpp"
#include "dsmm/kernels/spectral.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// The fixed front end of a vibration model: band energies, level, peak and kurtosis of the newest samples.
struct spectral_op {
  static constexpr op_kind kind = op_kind::spectral;

  struct prepared {
    operand fresh, past, output;
    kernels::spectral_factors factors;
  };

  static result<op_request> request(const op_view& op, isa) noexcept {
    const std::int32_t size = op.input(1).dims[0];
    op_request r;
    r.prepared_bytes = kernels::fft_table_floats(size) * sizeof(float);
    r.scratch_bytes = kernels::spectral_scratch_bytes(size);
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p,
                              std::span<std::byte> memory) noexcept {
    p.fresh = bind.input[0];
    p.past = bind.input[1];
    p.output = bind.output;
    auto* const table = reinterpret_cast<float*>(memory.data());
    const std::int32_t size = op.input(1).dims[0];
    kernels::make_fft_table(size, table);
    p.factors = {size, op.input(3).dims[0] - 1, table, op.constant<float>(2), op.constant<std::int32_t>(3)};
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    const auto fresh = p.fresh.view<const float>();
    push_rows(*p.past.state, fresh);
    kernels::spectral(p.past.view<const float>(), fresh, p.factors, p.output.view<float>().data, 0, fresh.shape.c,
                      context.scratch);
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops
