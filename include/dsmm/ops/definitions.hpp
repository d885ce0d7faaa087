// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/config.hpp"
#include "dsmm/ops/add.hpp"
#include "dsmm/ops/append.hpp"
#include "dsmm/ops/attention.hpp"
#include "dsmm/ops/calibrate.hpp"
#include "dsmm/ops/causal_conv1d.hpp"
#include "dsmm/ops/concat.hpp"
#include "dsmm/ops/conv2d.hpp"
#include "dsmm/ops/dwconv2d.hpp"
#include "dsmm/ops/layer_norm.hpp"
#include "dsmm/ops/linear.hpp"
#include "dsmm/ops/lut.hpp"
#include "dsmm/ops/mul.hpp"
#include "dsmm/ops/op.hpp"
#include "dsmm/ops/pool.hpp"
#include "dsmm/ops/quantize.hpp"
#include "dsmm/ops/reduce.hpp"
#include "dsmm/ops/resize.hpp"
#include "dsmm/ops/select.hpp"
#include "dsmm/ops/softmax.hpp"
#include "dsmm/ops/spectral.hpp"

/// Every operator that this build can run: one row each.
namespace dsmm::inline DSMM_ABI::ops {

inline constexpr op_definition definitions[] = {
    define<conv2d_op>(),        define<linear_op>(),
    define<causal_conv1d_op>(), define<max_pool_op>(),
    define<avg_pool_op>(),      define<add_op>(),
    define<mul_op>(),           define<concat_op>(),
    define<lut_op>(),           define<append_op>(),
    define<quantize_op>(),      define<dequantize_op>(),
    define<select_op>(),        define<layer_norm_op>(),
    define<softmax_op>(),       define<attention_op>(),
    define<spectral_op>(),      define<resize_op>(),
    define<calibrate_op>(),     define<reduce_op>(),
    define<dwconv2d_op>(),      define<quantize_planes_op>(),
};

}  // namespace dsmm::inline DSMM_ABI::ops
