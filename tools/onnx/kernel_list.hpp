// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dsmm/model/model.hpp"
#include "dsmm/model/verify/tensors.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// A layer with weights, and what it runs on.
struct layer_kernel {
  std::string name, kernel;
  bool integer = false;
};

/// Whether a product of integers runs on packed weights: kernels/nd/matmul_integer.hpp and conv_integer.hpp.
inline bool has_packed_weights(const model& m, const format::op_row& row) {
  const auto in = m.inputs(row);
  const format::tensor_row& w = m.tensors()[in[1]];
  if (w.kind != format::tensor_kind::constant) return false;
  if (static_cast<op_kind>(row.kind) == op_kind::nd_conv_integer) return w.rank <= 4;  // one or two axes
  for (std::uint32_t i = 0; i + 2 < w.rank; ++i)
    if (w.dims[i] != 1) return false;
  return in.size() < 3 || in[2] == format::no_tensor || verify_impl::elements(m.tensors()[in[2]]) == 1;
}

/// The layers of a model in the order in which they run: convolutions, products and their quantized forms.
inline std::vector<layer_kernel> kernels_of(const model& m) {
  std::vector<layer_kernel> list;
  for (const format::op_row& row : m.ops()) {
    const auto kind = static_cast<op_kind>(row.kind);
    const bool packed_product =
        (kind == op_kind::nd_matmul_integer || kind == op_kind::nd_conv_integer) && has_packed_weights(m, row);
    const bool integer = kind == op_kind::conv2d || kind == op_kind::dwconv2d || kind == op_kind::linear ||
                         kind == op_kind::causal_conv1d || packed_product;
    const bool general = kind == op_kind::nd_conv || kind == op_kind::nd_conv_transpose || kind == op_kind::nd_matmul ||
                         kind == op_kind::nd_matmul_integer || kind == op_kind::nd_conv_integer ||
                         kind == op_kind::nd_matmul_nbits || kind == op_kind::nd_rnn;
    if (!integer && !general) continue;
    const auto type = [&](std::uint32_t t) { return std::string(to_string(ops::type_of(m.tensors()[t]))); };
    const std::string types =
        type(m.inputs(row)[0]) + " x " + type(m.inputs(row)[1]) + " -> " + type(m.outputs(row)[0]);
    const std::string kernel = std::string(find_signature(row.kind)->name) + ", " + types;
    list.push_back({std::string(m.name(row.name)), kernel, integer});
  }
  return list;
}

inline std::size_t integer_layers(const std::vector<layer_kernel>& list) {
  std::size_t n = 0;
  for (const layer_kernel& l : list) n += l.integer ? 1 : 0;
  return n;
}

}  // namespace dsmm::inline DSMM_ABI::tools
