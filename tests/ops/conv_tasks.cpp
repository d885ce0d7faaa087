// SPDX-License-Identifier: Apache-2.0
#include "dsmm/ops/conv_tasks.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "dsmm/core/rng.hpp"

using dsmm::ops::conv_tasks;

TEST_CASE("tasks of a convolution cover every row of every panel exactly once") {
  dsmm::rng random(1);
  for (int i = 0; i < 3000; ++i) {
    const auto rows = static_cast<std::int32_t>(1 + random.below(300));
    const auto width = static_cast<std::int32_t>(1 + random.below(300));
    const auto panels = static_cast<std::int32_t>(random.below(40));
    const auto weights = static_cast<std::int64_t>(1 + random.below(1u << 24));
    const conv_tasks t = conv_tasks::of(rows, width, panels, weights * rows * width, weights,
                                        static_cast<std::int64_t>(1 + random.below(1u << 24)));
    CAPTURE(rows);
    CAPTURE(width);
    CAPTURE(panels);
    const std::int32_t cuts = panels == 0 ? 1 : panels;
    std::vector<int> seen(static_cast<std::size_t>(rows * cuts));
    for (std::uint32_t task = 0; task < t.count(); ++task)
      t.run(task, [&](std::int32_t begin, std::int32_t end, std::int32_t first, std::int32_t last) {
        REQUIRE((0 <= begin && begin < end && end <= rows && 0 <= first && first < last && last <= cuts));
        for (std::int32_t r = begin; r < end; ++r)
          for (std::int32_t p = first; p < last; ++p) ++seen[static_cast<std::size_t>(r * cuts + p)];
      });
    CHECK(std::count(seen.begin(), seen.end(), 1) == rows * cuts);
    CHECK(t.count() <= 4096);
  }
}

TEST_CASE("small layers are one task, and a task has pixels enough to fill its tiles") {
  CHECK(conv_tasks::of(8, 1, 2, 8 * 64 * 64, 64 * 64, 8 * 64).count() == 1);
  const conv_tasks seven = conv_tasks::of(7, 7, 16, std::int64_t{49} * 4608 * 512, 4608 * 512, 49 * 512);
  CHECK(seven.rows_per_task == 7);
  CHECK(seven.count() == 16);
  const conv_tasks one_row = conv_tasks::of(1, 1, 128, 4096 * 4096, 4096 * 4096, 4096);
  CHECK(one_row.count() == 16);
  const conv_tasks wide = conv_tasks::of(56, 56, 2, std::int64_t{56} * 56 * 576 * 64, 576 * 64, 56 * 56 * 64);
  CHECK(wide.count() >= 28);
  CHECK(wide.panels_per_task == 2);
}
