// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/op_kind.hpp"
#include "dsmm/model/verify/tensors.hpp"

namespace dsmm::inline DSMM_ABI {

/// What one run of an op, a program or a model costs.
struct work {
  std::uint64_t multiply_adds = 0;  ///< of convolutions, linear layers and attention
  std::uint64_t parameters = 0;     ///< elements of the constants that are read
  std::uint64_t constant_bytes = 0;

  work& operator+=(const work& other) noexcept {
    multiply_adds += other.multiply_adds;
    parameters += other.parameters;
    constant_bytes += other.constant_bytes;
    return *this;
  }
};

/// Length of the dot products of a matrix product, whichever of its operands are transposed: the second one's last two
/// extents over the columns of the result.
inline std::uint64_t matmul_depth(const model& m, const format::op_row& op) noexcept {
  const format::tensor_row& b = m.tensors()[m.inputs(op)[1]];
  const format::tensor_row& y = m.tensors()[m.outputs(op)[0]];
  if (b.rank == 0) return 1;
  const auto dim = [](const format::tensor_row& t, int i) {
    return static_cast<std::uint64_t>(t.dims[static_cast<std::size_t>(i)]);
  };
  if (b.rank == 1) return dim(b, 0);
  const std::uint64_t columns = y.rank == 0 ? 1 : dim(y, y.rank - 1);
  return columns == 0 ? 0 : dim(b, b.rank - 1) * dim(b, b.rank - 2) / columns;
}

inline work work_of(const model& m, const format::op_row& op) noexcept {
  const auto in = m.inputs(op);
  const auto elements = [&](std::uint32_t tensor) { return verify_impl::elements(m.tensors()[tensor]); };
  work w;
  for (const std::uint32_t i : in) {
    if (i == format::no_tensor || m.tensors()[i].kind != format::tensor_kind::constant) continue;
    w.parameters += elements(i);
    w.constant_bytes += m.tensors()[i].length;
  }
  switch (static_cast<op_kind>(op.kind)) {
    case op_kind::conv2d:
    case op_kind::dwconv2d:
    case op_kind::linear:
    case op_kind::causal_conv1d:
      w.multiply_adds = elements(m.outputs(op)[0]) * verify_impl::depth(m.tensors()[in[1]]);
      break;
    case op_kind::attention:  // scores and weighted sum
      w.multiply_adds = 2 * elements(in[0]) * static_cast<std::uint64_t>(m.tensors()[in[1]].dims[0]);
      if (in.size() > 8 && in[8] != format::no_tensor)  // windows
        w.multiply_adds /= static_cast<std::uint64_t>(m.tensors()[in[8]].dims[0]);
      break;
    case op_kind::nd_conv:
    case op_kind::nd_conv_integer:
      if (elements(in[1]) != 0) w.multiply_adds = elements(m.outputs(op)[0]) * verify_impl::depth(m.tensors()[in[1]]);
      break;
    case op_kind::nd_conv_transpose:  // weights (I, O / group, window)
      if (elements(in[1]) != 0) w.multiply_adds = elements(in[0]) * verify_impl::depth(m.tensors()[in[1]]);
      break;
    case op_kind::nd_matmul:
    case op_kind::nd_matmul_integer: w.multiply_adds = elements(m.outputs(op)[0]) * matmul_depth(m, op); break;
    case op_kind::nd_matmul_nbits:
      w.multiply_adds = elements(m.outputs(op)[0]) * static_cast<std::uint64_t>(m.attributes()[op.first_attribute]);
      break;
    default: break;
  }
  return w;
}

inline work work_of(const model& m, const format::program_row& program) noexcept {
  work sum;
  for (const format::op_row& op : m.ops(program)) sum += work_of(m, op);
  return sum;
}

}  // namespace dsmm::inline DSMM_ABI
