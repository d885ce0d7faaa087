// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/convert/lower/affine_grid.hpp"
#include "dsmm/convert/lower/attention.hpp"
#include "dsmm/convert/lower/center_crop_pad.hpp"
#include "dsmm/convert/lower/classic.hpp"
#include "dsmm/convert/lower/col2im.hpp"
#include "dsmm/convert/lower/deform_conv.hpp"
#include "dsmm/convert/lower/dynamic_lstm.hpp"
#include "dsmm/convert/lower/elementwise.hpp"
#include "dsmm/convert/lower/fused.hpp"
#include "dsmm/convert/lower/index.hpp"
#include "dsmm/convert/lower/label_encoder.hpp"
#include "dsmm/convert/lower/matmul.hpp"
#include "dsmm/convert/lower/quantized.hpp"
#include "dsmm/convert/lower/reduce.hpp"
#include "dsmm/convert/lower/resize.hpp"
#include "dsmm/convert/lower/rnn.hpp"
#include "dsmm/convert/lower/sequence.hpp"
#include "dsmm/convert/lower/sequence_order.hpp"
#include "dsmm/convert/lower/shape.hpp"
#include "dsmm/convert/lower/signal.hpp"
#include "dsmm/convert/lower/tree_ensemble.hpp"
#include "dsmm/convert/lower/window.hpp"
#include "dsmm/convert/node_scope.hpp"

namespace dsmm::inline DSMM_ABI::convert {

namespace registry_impl {

inline constexpr lowering unary_lowering{"", "", lower_unary};
inline constexpr lowering binary_lowering{"", "", lower_binary};
inline constexpr lowering reduce_lowering{"", "", lower_reduce};

template <std::size_t N>
const lowering* find_in(const lowering (&rows)[N], std::string_view domain, std::string_view op) noexcept {
  for (const lowering& r : rows)
    if (r.op == op && r.domain == domain) return &r;
  return nullptr;
}

template <class... Tables>
const lowering* first_of(std::string_view domain, std::string_view op, const Tables&... tables) noexcept {
  const lowering* found = nullptr;
  ((found = found != nullptr ? found : find_in(tables, domain, op)), ...);
  return found;
}

}  // namespace registry_impl

/// How an operator is lowered, or nullptr if dsmm does not have it.
inline const lowering* find_lowering(std::string_view domain, std::string_view op) noexcept {
  using namespace registry_impl;
  if (domain.empty()) {
    for (const unary_row& r : unary_rows)
      if (r.op == op) return &unary_lowering;
    for (const binary_row& r : binary_rows)
      if (r.op == op) return &binary_lowering;
    for (const reduce_row& r : reduce_rows)
      if (r.op == op) return &reduce_lowering;
  }
  return first_of(domain, op, elementwise_lowerings, shape_lowerings, index_lowerings, window_lowerings,
                  reduce_lowerings, matmul_lowerings, rnn_lowerings, dynamic_lstm_lowerings, resize_lowerings,
                  quantized_lowerings, attention_lowerings, signal_lowerings, affine_grid_lowerings,
                  center_crop_pad_lowerings, col2im_lowerings, deform_conv_lowerings, sequence_lowerings,
                  sequence_order_lowerings, fused_lowerings, classic_lowerings, label_encoder_lowerings,
                  tree_ensemble_lowerings);
}

}  // namespace dsmm::inline DSMM_ABI::convert
