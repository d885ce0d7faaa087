// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::ops {

/// How a convolution is cut into tasks: blocks of output rows times blocks of weight panels. Depends on shapes and on
/// the packing alone, never on how many threads there are.
struct conv_tasks {
  std::int32_t rows = 1, rows_per_task = 1;
  std::int32_t panels = 1, panels_per_task = 1;

  /// rows, width  of the output.   panels  of the packed weights, 0 if they cannot be cut.
  /// products     multiplications of all outputs.   weights, inputs  values that are read.
  static constexpr conv_tasks of(std::int32_t rows, std::int32_t width, std::int32_t panels, std::int64_t products,
                                 std::int64_t weights, std::int64_t inputs) noexcept {
    // 2^20 products are 4.5 us of the fastest kernel, 7 times what starting and joining threads costs.
    const auto wanted = static_cast<std::int32_t>(std::clamp<std::int64_t>(products >> 20, 1, 64));
    // Fewer pixels than two tiles would leave registers idle and read all weights for little.
    const std::int32_t least_rows = std::min(rows, (27 + width) / width), most_blocks = rows / least_rows;
    const std::int32_t cuts = std::max(panels, 1);
    std::int32_t row_blocks = 1, panel_blocks = 1;
    if (weights >= inputs) {  // each weight is read by one task only
      panel_blocks = std::min(wanted, cuts);
      row_blocks = std::clamp(wanted / panel_blocks, 1, most_blocks);
    } else {
      row_blocks = std::min(wanted, most_blocks);
      panel_blocks = std::clamp(wanted / row_blocks, 1, cuts);
    }
    return {rows, (rows + row_blocks - 1) / row_blocks, cuts, (cuts + panel_blocks - 1) / panel_blocks};
  }

  constexpr std::uint32_t count() const noexcept {
    return static_cast<std::uint32_t>(row_blocks() * ((panels + panels_per_task - 1) / panels_per_task));
  }

  /// f(first_row, last_row, first_panel, last_panel) of task i; tasks of one block of panels follow each other.
  template <class F>
  constexpr void run(std::uint32_t i, F&& f) const noexcept {
    const auto at = static_cast<std::int32_t>(i);
    const std::int32_t row = at % row_blocks() * rows_per_task, panel = at / row_blocks() * panels_per_task;
    f(row, std::min(row + rows_per_task, rows), panel, std::min(panel + panels_per_task, panels));
  }

private:
  constexpr std::int32_t row_blocks() const noexcept { return (rows + rows_per_task - 1) / rows_per_task; }
};

}  // namespace dsmm::inline DSMM_ABI::ops
