// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"

/// The functions that general operators choose from by attribute. The values are part of the .dsmm format.
namespace dsmm::inline DSMM_ABI::kernels::nd {

enum class unary_fn : std::int32_t {
  identity = 0,
  relu = 1,
  leaky_relu = 2,        ///< alpha
  elu = 3,               ///< alpha
  selu = 4,              ///< alpha, gamma = beta
  celu = 5,              ///< alpha
  thresholded_relu = 6,  ///< alpha
  clip = 7,              ///< to [alpha, beta]; floats only
  sigmoid = 8,
  hard_sigmoid = 9,  ///< max(0, min(1, alpha x + beta))
  hard_swish = 10,   ///< x * hard_sigmoid(x; 1/6, 1/2)
  tanh = 11,         ///< alpha * tanh(beta x) where used as an activation with both 1
  softplus = 12,
  softsign = 13,
  erf = 14,
  gelu = 15,
  gelu_tanh = 16,
  mish = 17,
  silu = 18,  ///< x * sigmoid(alpha x)
  exp = 19,
  log = 20,
  sqrt = 21,
  reciprocal = 22,
  neg = 23,
  abs = 24,
  sign = 25,
  floor = 26,
  ceil = 27,
  round = 28,  ///< ties to even
  sin = 29,
  cos = 30,
  tan = 31,
  asin = 32,
  acos = 33,
  atan = 34,
  sinh = 35,
  cosh = 36,
  asinh = 37,
  acosh = 38,
  atanh = 39,
  logical_not = 40,
  bitwise_not = 41,
  is_nan = 42,
  is_inf = 43,  ///< alpha != 0: positive counts; beta != 0: negative counts
  shrink = 44,  ///< lambd = alpha, bias = beta
  count = 45,
};

enum class binary_fn : std::int32_t {
  add = 0,
  sub = 1,
  mul = 2,
  div = 3,  ///< integers towards zero; by 0: 0
  pow = 4,
  min = 5,
  max = 6,
  mod = 7,   ///< sign of the divisor; by 0: 0
  fmod = 8,  ///< sign of the dividend; by 0: NaN, integers 0
  equal = 9,
  greater = 10,
  less = 11,
  greater_equal = 12,
  less_equal = 13,
  logical_and = 14,
  logical_or = 15,
  logical_xor = 16,
  bit_and = 17,
  bit_or = 18,
  bit_xor = 19,
  shift_left = 20,
  shift_right = 21,
  prelu = 22,  ///< a < 0 ? a * b : a
  count = 23,
};

enum class reduce_fn : std::int32_t {
  sum = 0,
  mean = 1,
  max = 2,
  min = 3,
  prod = 4,
  l1 = 5,
  l2 = 6,
  sum_square = 7,
  log_sum = 8,
  log_sum_exp = 9,
  count = 10,
};

enum class softmax_fn : std::int32_t { softmax = 0, log_softmax = 1, hardmax = 2, count = 3 };
enum class pool_fn : std::int32_t { max = 0, average = 1, lp = 2, count = 3 };
enum class pad_fn : std::int32_t { constant = 0, reflect = 1, edge = 2, wrap = 3, count = 4 };
enum class scatter_fn : std::int32_t { none = 0, add = 1, mul = 2, max = 3, min = 4, count = 5 };
enum class rnn_fn : std::int32_t { lstm = 0, gru = 1, rnn = 2, count = 3 };
enum class resize_fn : std::int32_t { nearest = 0, linear = 1, cubic = 2, count = 3 };
enum class resize_coordinates : std::int32_t {
  half_pixel = 0,
  half_pixel_symmetric = 1,
  pytorch_half_pixel = 2,
  align_corners = 3,
  asymmetric = 4,
  tf_crop_and_resize = 5,
  tf_half_pixel_for_nn = 6,
  count = 7,
};
enum class resize_nearest : std::int32_t {
  round_prefer_floor = 0,
  round_prefer_ceil = 1,
  floor = 2,
  ceil = 3,
  count = 4
};
enum class grid_fn : std::int32_t { nearest = 0, linear = 1, cubic = 2, count = 3 };
enum class grid_padding : std::int32_t { zeros = 0, border = 1, reflection = 2, count = 3 };

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
