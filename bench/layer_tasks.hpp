// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>

#include "bench/timed_layer.hpp"
#include "dsmm/ops/conv_tasks.hpp"
#include "dsmm/ops/dwconv2d.hpp"

/// The tasks that the ops cut a layer into.
class layer_tasks {
public:
  layer_tasks(timed_layer& timed, const layer& l) : timed_(&timed), depthwise_(l.depthwise) {
    if (depthwise_) {
      rows_ = dsmm::ops::dwconv2d_op::tasks_of(l.output(), std::int64_t{l.kernel} * l.kernel);
      return;
    }
    const auto products = static_cast<std::int64_t>(l.operations() / 2);
    const std::int64_t weights = std::int64_t{l.kernel} * l.kernel * l.in * l.out;
    cut_ = dsmm::ops::conv_tasks::of(timed.rows(), l.output().w, timed.panels(), products, weights,
                                     std::int64_t{l.height} * l.width * l.in);
  }

  std::uint32_t count() const noexcept { return depthwise_ ? rows_.count() : cut_.count(); }

  void operator()(std::uint32_t i) const noexcept {
    const auto at = static_cast<std::int32_t>(i);
    if (depthwise_) return timed_->run(at * rows_.per_task, std::min(rows_.rows, (at + 1) * rows_.per_task));
    cut_.run(i, [this](std::int32_t begin, std::int32_t end, std::int32_t first, std::int32_t last) {
      timed_->run(begin, end, first, last);
    });
  }

private:
  timed_layer* timed_;
  bool depthwise_;
  dsmm::ops::conv_tasks cut_{};
  dsmm::ops::row_tasks rows_{};
};
