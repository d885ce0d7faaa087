// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/lut/generic.hpp"

namespace dsmm::inline DSMM_ABI::kernels::lut_impl {

/// Four quarters of the table in four registers each: tbl yields zeros for indices outside its quarter, tbx leaves what
/// there was.
struct arm_neon {
  static constexpr isa required = isa::arm_neon;

  static void run(const u8_table& table, const lut_runs& r) noexcept {
    const uint8x16x4_t a = vld1q_u8_x4(table.data()), b = vld1q_u8_x4(table.data() + 64);
    const uint8x16x4_t c = vld1q_u8_x4(table.data() + 128), d = vld1q_u8_x4(table.data() + 192);
    const uint8x16_t quarter = vdupq_n_u8(64);
    const std::uint8_t* x = r.x;
    std::uint8_t* y = r.y;
    for (std::size_t k = 0; k < r.runs; ++k, x += r.x_step, y += r.y_step) {
      std::size_t i = 0;
      for (; i + 16 <= r.length; i += 16) {
        uint8x16_t index = vld1q_u8(x + i);
        uint8x16_t v = vqtbl4q_u8(a, index);
        v = vqtbx4q_u8(v, b, index = vsubq_u8(index, quarter));
        v = vqtbx4q_u8(v, c, index = vsubq_u8(index, quarter));
        v = vqtbx4q_u8(v, d, vsubq_u8(index, quarter));
        vst1q_u8(y + i, v);
      }
      generic::rest(table, x + i, y + i, r.length - i);
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI::kernels::lut_impl
