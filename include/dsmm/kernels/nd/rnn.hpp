// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/reduce.hpp"
#include "dsmm/kernels/nd/unary.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// LSTM, GRU and the plain recurrent layer. A gate is two dot products in 64 lanes (f64: in order), of the input and of
/// the last output, plus both biases.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace rnn_impl {

template <class T>
T dot(const T* a, const T* b, std::int64_t n) noexcept {
  if constexpr (std::is_same_v<T, float>) {
    float y = 0.0f;
    with_avx2([&y, a, b, n ]() __attribute__((always_inline)) {
      y = sum_of_products(
          static_cast<std::size_t>(n), [a](std::size_t i) __attribute__((always_inline)) { return a[i]; },
          [b](std::size_t i) __attribute__((always_inline)) { return b[i]; });
    });
    return y;
  } else {
    T y{};
    for (std::int64_t i = 0; i < n; ++i) y = math64::fma(a[i], b[i], y);
    return y;
  }
}

inline std::int64_t gates_of(rnn_fn f) noexcept { return f == rnn_fn::lstm ? 4 : f == rnn_fn::gru ? 3 : 1; }

/// One direction of one batch item.
template <class T>
class sequence {
public:
  sequence(const call& c, std::int64_t direction, std::int64_t item, T* memory) noexcept
      : c_(c),
        f_(c.choice<rnn_fn>(0)),
        hidden_(c.attribute(2)),
        size_(c.in[0].dims[2]),
        batch_(c.in[0].dims[1]),
        gates_(gates_of(f_)),
        direction_(direction),
        item_(item),
        gate_(memory),
        state_(memory + gates_ * hidden_),
        cell_(state_ + hidden_),
        next_(cell_ + hidden_) {
    const std::int64_t rows = gates_ * hidden_;
    w_ = c.in[1].as<const T>() + direction * rows * size_;
    r_ = c.in[2].as<const T>() + direction * rows * hidden_;
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
  /// Row r of the gates: w x + b, and if wanted r h + b'.
  T input_part(const T* x, std::int64_t r) const noexcept {
    const T sum = dot(w_ + r * size_, x, size_);
    return bias_ != nullptr ? sum + bias_[r] : sum;
  }
  T state_part(const T* h, std::int64_t r) const noexcept {
    const T sum = dot(r_ + r * hidden_, h, hidden_);
    return bias_ != nullptr ? sum + bias_[gates_ * hidden_ + r] : sum;
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
    for (std::int64_t r = 0; r < 4 * hidden_; ++r) gate_[r] = input_part(x, r) + state_part(state_, r);
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
    for (std::int64_t r = 0; r < 2 * hidden_; ++r) gate_[r] = input_part(x, r) + state_part(state_, r);
    activate(0, update);
    activate(0, reset);
    const bool linear = c_.attribute(3) != 0;
    if (!linear)
      for (std::int64_t i = 0; i < hidden_; ++i) next_[i] = reset[i] * state_[i];
    for (std::int64_t i = 0; i < hidden_; ++i) {
      const T part = state_part(linear ? state_ : next_, 2 * hidden_ + i);
      fresh[i] = input_part(x, 2 * hidden_ + i) + (linear ? reset[i] * part : part);
    }
    activate(1, fresh);
    for (std::int64_t i = 0; i < hidden_; ++i) state_[i] = (T{1} - update[i]) * fresh[i] + update[i] * state_[i];
  }

  void plain(const T* x) noexcept {
    for (std::int64_t r = 0; r < hidden_; ++r) gate_[r] = input_part(x, r) + state_part(state_, r);
    activate(0, gate_);
    std::copy_n(gate_, hidden_, state_);
  }

  const call& c_;
  rnn_fn f_;
  std::int64_t hidden_, size_, batch_, gates_, direction_, item_;
  T *gate_, *state_, *cell_, *next_;
  const T *w_ = nullptr, *r_ = nullptr, *bias_ = nullptr, *peephole_ = nullptr;
};

inline std::int64_t values_per_sequence(const call& c) noexcept {
  return (gates_of(c.choice<rnn_fn>(0)) + 3) * c.attribute(2);
}

}  // namespace rnn_impl

inline std::size_t nd_rnn_scratch(const call& c) noexcept {
  const std::int64_t sequences = c.out[0].dims[1] * c.in[0].dims[1];
  return static_cast<std::size_t>(sequences * rnn_impl::values_per_sequence(c)) * size_of(c.in[0].type);
}

/// Attributes: kind, direction, hidden size, linear_before_reset, input_forget, clip, then six activations: functions,
/// alphas, betas. Inputs: x (T, B, I), w, r, bias, lengths, first output, first cell, peepholes. Outputs: y (T, D, B,
/// H) and the last output and cell (D, B, H).
inline void nd_rnn(const call& c) noexcept {
  const std::int64_t batch = c.in[0].dims[1], sequences = c.out[0].dims[1] * batch;
  visit_real(c.in[0].type, [&]<class T>(T) {
    for_runs(c.exec, sequences, 1, [&](std::int64_t s, std::int64_t) {
      T* const memory = reinterpret_cast<T*>(c.scratch) + s * rnn_impl::values_per_sequence(c);
      rnn_impl::sequence<T>(c, s / batch, s % batch, memory).run();
    });
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
