// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/math_target.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/transpose_plane.hpp"
#include "dsmm/kernels/nd/unary.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// LSTM, GRU and the plain recurrent layer. A gate is two products, of the input and of the last output, each one chain
/// of fused multiply-adds in ascending order, plus both biases.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace rnn_impl {

/// sums[r] = sum over k of columns[k * pitch + r] * v[k], r < rows, each sum one chain of fused multiply-adds in
/// ascending k. Neighbouring rows lie side by side, so a register holds rows and nothing is added across.
template <class T>
void products(const T* columns, std::int64_t pitch, std::int64_t rows, const T* v, std::int64_t n, T* sums) noexcept {
  with_avx2([=]<class M>(M) __attribute__((always_inline)) {
    constexpr std::int64_t run = 32;
    const auto add = [](T a, T b, T c) __attribute__((always_inline)) {
      if constexpr (std::is_same_v<T, float>) return M::fma(a, b, c);
      else return __builtin_fma(a, b, c);
    };
    std::int64_t r = 0;
    for (; r + run <= rows; r += run) {
      T sum[run] = {};
      for (std::int64_t k = 0; k < n; ++k)
        for (std::int64_t i = 0; i < run; ++i) sum[i] = add(columns[k * pitch + r + i], v[k], sum[i]);
      for (std::int64_t i = 0; i < run; ++i) sums[r + i] = sum[i];
    }
    for (std::int64_t i = r; i < rows; ++i) sums[i] = T{};
    for (std::int64_t k = 0; k < n; ++k)
      for (std::int64_t i = r; i < rows; ++i) sums[i] = add(columns[k * pitch + i], v[k], sums[i]);
  });
}

inline std::int64_t gates_of(rnn_fn f) noexcept { return f == rnn_fn::lstm ? 4 : f == rnn_fn::gru ? 3 : 1; }

/// Values of the weights of one direction, turned so that the rows of a gate lie side by side: of the input, then of
/// the last output.
inline std::int64_t turned_values(const call& c) noexcept {
  const std::int64_t hidden = c.attribute(2);
  return (c.in[0].dims[2] + hidden) * gates_of(c.choice<rnn_fn>(0)) * hidden;
}

template <class T>
void turn_weights(const call& c, std::int64_t direction, T* to) noexcept {
  const std::int64_t hidden = c.attribute(2), size = c.in[0].dims[2];
  const std::int64_t rows = gates_of(c.choice<rnn_fn>(0)) * hidden;
  transpose_plane(c.in[1].as<const T>() + direction * rows * size, 1, size, to, size, rows);
  transpose_plane(c.in[2].as<const T>() + direction * rows * hidden, 1, hidden, to + size * rows, hidden, rows);
}

/// One direction of one batch item.
template <class T>
class sequence {
public:
  /// weights  from turn_weights() for this direction
  sequence(const call& c, std::int64_t direction, std::int64_t item, const T* weights, T* memory) noexcept
      : c_(c),
        f_(c.choice<rnn_fn>(0)),
        hidden_(c.attribute(2)),
        size_(c.in[0].dims[2]),
        batch_(c.in[0].dims[1]),
        gates_(gates_of(f_)),
        direction_(direction),
        item_(item),
        gate_(memory),
        past_(memory + gates_ * hidden_),
        state_(past_ + gates_ * hidden_),
        cell_(state_ + hidden_),
        next_(cell_ + hidden_) {
    const std::int64_t rows = gates_ * hidden_;
    w_ = weights;
    r_ = weights + rows * size_;
    bias_ = c.in[3] ? c.in[3].as<const T>() + direction * 2 * rows : nullptr;
    peephole_ = c.in[7] ? c.in[7].as<const T>() + direction * 3 * hidden_ : nullptr;
  }

  void run() noexcept {
    const std::int64_t at = (direction_ * batch_ + item_) * hidden_;
    for (std::int64_t i = 0; i < hidden_; ++i) {
      state_[i] = c_.in[5] ? c_.in[5].as<const T>()[at + i] : T{};
      cell_[i] = c_.in[6] ? c_.in[6].as<const T>()[at + i] : T{};
    }
    const std::int64_t steps = c_.in[0].dims[0];
    const std::int64_t length =
        c_.in[4] ? std::clamp<std::int64_t>(c_.in[4].as<const std::int32_t>()[item_], 0, steps) : steps;
    const bool reverse = c_.attribute(1) == 1 || direction_ == 1;
    const std::int64_t directions = c_.out[0].dims[1];
    for (std::int64_t t = 0; t < steps; ++t) {
      const std::int64_t time = reverse && t < length ? length - 1 - t : t;
      T* const y = c_.out[0].as<T>() + ((time * directions + direction_) * batch_ + item_) * hidden_;
      if (t >= length) {
        std::fill_n(y, hidden_, T{});
        continue;
      }
      const T* const x = c_.in[0].as<const T>() + (time * batch_ + item_) * size_;
      if (f_ == rnn_fn::lstm) lstm(x);
      else if (f_ == rnn_fn::gru) gru(x);
      else plain(x);
      std::copy_n(state_, hidden_, y);
    }
    std::copy_n(state_, hidden_, c_.out[1].template as<T>() + at);
    if (c_.outputs > 2) std::copy_n(cell_, hidden_, c_.out[2].template as<T>() + at);
  }

private:
  /// Rows [first, first + rows) of the gates: w x + b to gate_, r h + b' to past_.
  void input_part(const T* x, std::int64_t first, std::int64_t rows) noexcept {
    products(w_ + first, gates_ * hidden_, rows, x, size_, gate_ + first);
    for (std::int64_t r = first; bias_ != nullptr && r < first + rows; ++r) gate_[r] += bias_[r];
  }
  void state_part(const T* h, std::int64_t first, std::int64_t rows) noexcept {
    products(r_ + first, gates_ * hidden_, rows, h, hidden_, past_ + first);
    for (std::int64_t r = first; bias_ != nullptr && r < first + rows; ++r) past_[r] += bias_[gates_ * hidden_ + r];
  }
  /// The sum of both for the first `rows`.
  void both_parts(const T* x, std::int64_t rows) noexcept {
    input_part(x, 0, rows);
    state_part(state_, 0, rows);
    for (std::int64_t r = 0; r < rows; ++r) gate_[r] += past_[r];
  }
  /// Clips and applies activation number `which` of this direction.
  void activate(std::size_t which, T* values) const noexcept {
    const auto clip = static_cast<T>(c_.attribute_f32(5));
    if (clip > T{})
      for (std::int64_t i = 0; i < hidden_; ++i) values[i] = std::clamp(values[i], -clip, clip);
    const std::size_t per_direction = f_ == rnn_fn::lstm ? 3 : f_ == rnn_fn::gru ? 2 : 1;
    const std::size_t at = static_cast<std::size_t>(direction_) * per_direction + which;
    unary_real(c_.choice<unary_fn>(6 + at), c_.attribute_f32(12 + at), c_.attribute_f32(18 + at), values, values,
               static_cast<std::size_t>(hidden_));
  }
  void add_peephole(T* values, const T* cell, std::int64_t part) const noexcept {
    if (peephole_ == nullptr) return;
    for (std::int64_t i = 0; i < hidden_; ++i) values[i] += peephole_[part * hidden_ + i] * cell[i];
  }

  void lstm(const T* x) noexcept {
    both_parts(x, 4 * hidden_);
    T *const in = gate_, *const out = gate_ + hidden_, *const forget = out + hidden_, *const fresh = forget + hidden_;
    add_peephole(in, cell_, 0);
    activate(0, in);
    if (c_.attribute(4) != 0) {
      for (std::int64_t i = 0; i < hidden_; ++i) forget[i] = T{1} - in[i];
    } else {
      add_peephole(forget, cell_, 2);
      activate(0, forget);
    }
    activate(1, fresh);
    for (std::int64_t i = 0; i < hidden_; ++i) cell_[i] = forget[i] * cell_[i] + in[i] * fresh[i];
    add_peephole(out, cell_, 1);
    activate(0, out);
    std::copy_n(cell_, hidden_, next_);
    const std::size_t which = static_cast<std::size_t>(direction_) * 3 + 2;
    unary_real(c_.choice<unary_fn>(6 + which), c_.attribute_f32(12 + which), c_.attribute_f32(18 + which), next_, next_,
               static_cast<std::size_t>(hidden_));
    for (std::int64_t i = 0; i < hidden_; ++i) state_[i] = out[i] * next_[i];
  }

  void gru(const T* x) noexcept {
    T *const update = gate_, *const reset = gate_ + hidden_, *const fresh = reset + hidden_;
    both_parts(x, 2 * hidden_);
    activate(0, update);
    activate(0, reset);
    const bool linear = c_.attribute(3) != 0;
    if (!linear)
      for (std::int64_t i = 0; i < hidden_; ++i) next_[i] = reset[i] * state_[i];
    input_part(x, 2 * hidden_, hidden_);
    state_part(linear ? state_ : next_, 2 * hidden_, hidden_);
    const T* const past = past_ + 2 * hidden_;
    for (std::int64_t i = 0; i < hidden_; ++i) fresh[i] += linear ? reset[i] * past[i] : past[i];
    activate(1, fresh);
    for (std::int64_t i = 0; i < hidden_; ++i) state_[i] = (T{1} - update[i]) * fresh[i] + update[i] * state_[i];
  }

  void plain(const T* x) noexcept {
    both_parts(x, hidden_);
    activate(0, gate_);
    std::copy_n(gate_, hidden_, state_);
  }

  const call& c_;
  rnn_fn f_;
  std::int64_t hidden_, size_, batch_, gates_, direction_, item_;
  T *gate_, *past_, *state_, *cell_, *next_;
  const T *w_ = nullptr, *r_ = nullptr, *bias_ = nullptr, *peephole_ = nullptr;
};

inline std::int64_t values_per_sequence(const call& c) noexcept {
  return (2 * gates_of(c.choice<rnn_fn>(0)) + 3) * c.attribute(2);
}

}  // namespace rnn_impl

inline std::size_t nd_rnn_scratch(const call& c) noexcept {
  const std::int64_t directions = c.out[0].dims[1], sequences = directions * c.in[0].dims[1];
  return static_cast<std::size_t>(directions * rnn_impl::turned_values(c) +
                                  sequences * rnn_impl::values_per_sequence(c)) *
         size_of(c.in[0].type);
}

/// Attributes: kind, direction, hidden size, linear_before_reset, input_forget, clip, then six activations: functions,
/// alphas, betas. Inputs: x (T, B, I), w, r, bias, lengths, first output, first cell, peepholes. Outputs: y (T, D, B,
/// H) and the last output and cell (D, B, H).
inline void nd_rnn(const call& c) noexcept {
  const std::int64_t batch = c.in[0].dims[1], directions = c.out[0].dims[1], sequences = directions * batch;
  const std::int64_t turned = rnn_impl::turned_values(c);
  visit_real(c.in[0].type, [&]<class T>(T) {
    T* const weights = reinterpret_cast<T*>(c.scratch);
    for_runs(c.exec, directions, 1,
             [&](std::int64_t d, std::int64_t) { rnn_impl::turn_weights(c, d, weights + d * turned); });
    for_runs(c.exec, sequences, 1, [&](std::int64_t s, std::int64_t) {
      T* const memory = weights + directions * turned + s * rnn_impl::values_per_sequence(c);
      rnn_impl::sequence<T>(c, s / batch, s % batch, weights + s / batch * turned, memory).run();
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
