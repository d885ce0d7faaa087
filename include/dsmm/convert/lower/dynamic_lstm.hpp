// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/lower/rnn.hpp"
#include "dsmm/convert/node_scope.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// com.microsoft: as LSTM, W (directions, I, 4 H) and R (directions, H, 4 H) of 8 bits, then W_scale, W_zero, R_scale,
/// R_zero, each (directions) or (directions, 4 H). The weights become the real numbers that they stand for and the rest
/// stays in f32: X and the state are not rounded to 8 bits, as ONNX Runtime rounds them at every step.
inline void lower_dynamic_lstm(node_scope& s) {
  const auto real_weights_of = [&s](std::size_t i, std::size_t scale_at) {
    const var w = s.in(i), scale = s.in(scale_at), zero = s.optional(scale_at + 1);
    if (s.to.failed()) return w;
    const std::int64_t directions = w.dim(0);
    if (w.rank() != 3 || directions < 1 || scale.count() % directions != 0 ||
        (zero && zero.count() % directions != 0)) {
      s.fail(errc::shape_mismatch, "DynamicQuantizeLSTM: weights must have rank 3, scales and zero points a row each");
      return w;
    }
    const auto by_direction = [&](var v) { return s.to.reshape(v, {directions, 1, v.count() / directions}); };
    var real = cast(w, dtype::f32);
    if (zero) real = real - by_direction(cast(zero, dtype::f32));
    return swap_axes(real * by_direction(scale), 1, 2);
  };
  std::vector<var> inputs{s.in(0), real_weights_of(1, 8), real_weights_of(2, 10)};
  for (std::size_t i = 3; i < 8; ++i) inputs.push_back(s.optional(i));
  if (s.to.failed()) return;
  onnx::node plain = s.node;
  plain.op = "LSTM";
  node_scope inner(s.to, plain, 14, inputs);
  lower_rnn(inner);
  if (!s.to.failed()) s.out = inner.out;
}

inline constexpr lowering dynamic_lstm_lowerings[] = {{microsoft, "DynamicQuantizeLSTM", lower_dynamic_lstm}};

}  // namespace dsmm::inline DSMM_ABI::convert
