// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/builder.hpp"

namespace dsmm::inline DSMM_ABI::convert {

struct matmul_options {
  bool transpose_a = false, transpose_b = false;  ///< of the last two axes
  float alpha = 1, beta = 1;
};

/// Extents of numpy's matmul of operands of rank 2 or more after their transposes; fails the builder on a mismatch.
inline dim_list matmul_dims(var a, var b, const matmul_options& o) {
  const auto outer = [](var x) { return dim_list(x.dims().begin(), x.dims().end() - 2); };
  const std::int64_t m = a.dim(a.rank() - (o.transpose_a ? 1 : 2)), k = a.dim(a.rank() - (o.transpose_a ? 2 : 1));
  const std::int64_t n = b.dim(b.rank() - (o.transpose_b ? 2 : 1)), kb = b.dim(b.rank() - (o.transpose_b ? 1 : 2));
  if (k != kb) a.to->fail(errc::shape_mismatch, "the inner extents of a matrix product differ");
  dim_list dims = broadcast(*a.to, outer(a), outer(b));
  dims.push_back(m);
  dims.push_back(n);
  return dims;
}

/// alpha * a b + beta * c, batched with broadcasting; a and b of any rank but 0, as numpy.matmul has it; c optional.
inline var matmul(var a, var b, var c = {}, const matmul_options& o = {}) {
  builder& to = *a.to;
  if (to.failed()) return a;
  if (a.rank() == 0 || b.rank() == 0) return to.fail(errc::shape_mismatch, "a matrix product needs dimensions");
  if (a.type() != b.type()) return to.fail(errc::dtype_mismatch, "inputs have different element types");
  const bool vector_a = a.rank() == 1, vector_b = b.rank() == 1;
  if (vector_a) a = unsqueeze(a, 0);
  if (vector_b) b = unsqueeze(b, 1);
  dim_list dims = matmul_dims(a, b, o);
  var y;
  if (!to.failed() && a.count() == 0 && count_of(dims) != 0) {
    y = full(to, a.type(), dims, 0);
    if (c) y = y + c * static_cast<double>(o.beta);
  } else {
    y = to.emit(op_kind::nd_matmul, {a, b, c},
                {o.transpose_a, o.transpose_b, bits_of(o.alpha), bits_of(o.beta), 0, 0, 0}, a.type(), dims);
  }
  if (to.failed()) return y;
  dim_list final_dims(dims.begin(), dims.end() - 2);
  if (!vector_a) final_dims.push_back(dims[dims.size() - 2]);
  if (!vector_b) final_dims.push_back(dims.back());
  return to.reshape(y, final_dims);
}

}  // namespace dsmm::inline DSMM_ABI::convert
