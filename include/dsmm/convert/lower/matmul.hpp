// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cctype>
#include <cstdint>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/matmul.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// Products of matrices.
namespace dsmm::inline DSMM_ABI::convert {

inline void lower_matmul(node_scope& s) { s.out[0] = matmul(s.in(0), s.in(1)); }

inline void lower_gemm(node_scope& s) {
  const var a = s.in(0), b = s.in(1), c = s.optional(2);
  if (!s.to.failed() && (a.rank() != 2 || b.rank() != 2))
    return s.fail(errc::shape_mismatch, "Gemm: inputs are no matrices");
  s.out[0] = matmul(a, b, c, {s.flag("transA"), s.flag("transB"), s.real("alpha", 1.0f), s.real("beta", 1.0f)});
}

/// com.microsoft: alpha * op(a) op(b). With transBatch the first axis of an operand is its rows, behind it the batch.
inline void lower_fused_matmul(node_scope& s) {
  const auto operand = [&](std::size_t i, const char* moved) {
    const var x = s.in(i);
    if (!s.flag(moved) || s.to.failed() || x.rank() < 3) return x;
    dim_list order(x.dims().size());
    std::iota(order.begin(), order.end() - 1, 1);
    order[order.size() - 2] = 0;
    order.back() = x.rank() - 1;
    return transpose(x, order);
  };
  const var a = operand(0, "transBatchA"), b = operand(1, "transBatchB");
  s.out[0] = matmul(a, b, {}, {s.flag("transA"), s.flag("transB"), s.real("alpha", 1.0f)});
}

namespace einsum_impl {

/// One operand: a letter per axis, '.' -> upper-case letters stand for the axes of an ellipsis.
struct term {
  std::string axes;
  var x;
};

inline std::string without_spaces(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ') out += c;
  return out;
}

/// Replaces "..." by as many axes as the operand has beyond its letters; they are numbered from the right.
inline bool spell_out(std::string& axes, std::int64_t rank) {
  const std::size_t dots = axes.find("...");
  if (dots == std::string::npos) return static_cast<std::int64_t>(axes.size()) == rank;
  const std::int64_t hidden = rank - static_cast<std::int64_t>(axes.size() - 3);
  if (hidden < 0 || hidden > 8) return false;
  std::string names;
  for (std::int64_t i = hidden; i > 0; --i) names += static_cast<char>('0' + i);
  axes.replace(dots, 3, names);
  return true;
}

/// A repeated letter takes the diagonal; a letter that nobody else needs is summed.
inline void simplify(term& t, const std::string& needed) {
  for (std::size_t i = 0; i < t.axes.size() && !t.x.to->failed(); ++i)
    for (std::size_t k = t.axes.size() - 1; k > i; --k) {
      if (t.axes[k] != t.axes[i]) continue;
      if (t.x.dims()[i] != t.x.dims()[k]) {
        t.x.to->fail(errc::shape_mismatch, "Einsum: a repeated letter has two extents");
        return;
      }
      dim_list dims = t.x.dims(), strides = strides_of(dims);
      strides[i] += strides[k];
      dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(k));
      strides.erase(strides.begin() + static_cast<std::ptrdiff_t>(k));
      t.axes.erase(k, 1);
      t.x = view(t.x, dims, 0, strides);
    }
  dim_list summed;
  std::string kept;
  for (std::size_t i = 0; i < t.axes.size(); ++i)
    if (needed.find(t.axes[i]) == std::string::npos) summed.push_back(static_cast<std::int64_t>(i));
    else kept += t.axes[i];
  if (summed.empty()) return;
  t.x = reduce(reduce_fn::sum, t.x, summed, false);
  t.axes = kept;
}

/// x with axes in the given order; letters that it does not have become axes of extent 1.
inline var arrange(const term& t, const std::string& order) {
  dim_list from = strides_of(t.x.dims()), dims, strides;
  if (t.x.to->failed()) return t.x;
  for (const char c : order) {
    const std::size_t at = t.axes.find(c);
    dims.push_back(at == std::string::npos ? 1 : t.x.dims()[at]);
    strides.push_back(at == std::string::npos ? 0 : from[at]);
  }
  return view(t.x, dims, 0, strides);
}

/// a and b into (batch, only a, shared) x (batch, shared, only b).
inline term contract(const term& a, const term& b, const std::string& needed) {
  builder& to = *a.x.to;
  std::string batch, left, right, shared;
  for (const char c : a.axes) {
    const bool in_b = b.axes.find(c) != std::string::npos, stays = needed.find(c) != std::string::npos;
    (in_b ? stays ? batch : shared : left) += c;
  }
  for (const char c : b.axes)
    if (a.axes.find(c) == std::string::npos) right += c;
  const auto extent = [&](const std::string& letters) {
    dim_list dims;
    for (const char c : letters) {
      const std::size_t i = a.axes.find(c), k = b.axes.find(c);
      const std::int64_t da = i == std::string::npos ? 1 : a.x.dims()[i],
                         db = k == std::string::npos ? 1 : b.x.dims()[k];
      if (da != db && da != 1 && db != 1) to.fail(errc::shape_mismatch, "Einsum: extents of a letter differ");
      dims.push_back(da == 1 ? db : da);
    }
    const std::int64_t n = count_of(dims);
    if (n < 0) to.fail(errc::too_large, "Einsum: a tensor would be larger than a model may have");
    return std::pair(n, dims);
  };
  if (to.failed()) return a;
  const auto [batches, batch_dims] = extent(batch);
  const auto [m, m_dims] = extent(left);
  const auto [n, n_dims] = extent(right);
  const auto [k, k_dims] = extent(shared);
  if (to.failed()) return a;
  const auto fit = [&](const term& t, const std::string& order, dim_list full_dims, dim_list matrix) {
    return to.reshape(expand(arrange(t, order), full_dims), matrix);
  };
  const auto joined = [](dim_list x, const dim_list& y, const dim_list& z) {
    x.insert(x.end(), y.begin(), y.end());
    x.insert(x.end(), z.begin(), z.end());
    return x;
  };
  const var l = fit(a, batch + left + shared, joined(batch_dims, m_dims, k_dims), {batches, m, k});
  const var r = fit(b, batch + shared + right, joined(batch_dims, k_dims, n_dims), {batches, k, n});
  return {batch + left + right, to.reshape(matmul(l, r), joined(batch_dims, m_dims, n_dims))};
}

}  // namespace einsum_impl

inline void lower_einsum(node_scope& s) {
  using namespace einsum_impl;
  const std::string equation = without_spaces(s.text("equation", ""));
  const std::size_t arrow = equation.find("->");
  std::vector<term> terms;
  std::string rest = equation.substr(0, arrow);
  for (std::size_t i = 0; i < s.inputs(); ++i) {
    const std::size_t comma = rest.find(',');
    terms.push_back({rest.substr(0, comma), s.in(i)});
    rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    if (s.to.failed()) return;
    if ((comma == std::string::npos) != (i + 1 == s.inputs()) || !spell_out(terms.back().axes, terms.back().x.rank()))
      return s.fail(errc::bad_value, "Einsum: attribute equation does not fit the inputs");
  }
  if (terms.empty()) return s.fail(errc::bad_value, "Einsum: no inputs");
  std::string all, output;
  for (const term& t : terms) all += t.axes;
  if (arrow != std::string::npos) {
    output = equation.substr(arrow + 2);
    std::string hidden;
    for (char c = '9'; c > '0'; --c)
      if (all.find(c) != std::string::npos) hidden += c;
    if (const std::size_t dots = output.find("..."); dots != std::string::npos) output.replace(dots, 3, hidden);
  } else {
    for (char c = '9'; c > '0'; --c)
      if (all.find(c) != std::string::npos) output += c;
    for (int c = 'A'; c <= 'z'; ++c)
      if (std::count(all.begin(), all.end(), static_cast<char>(c)) == 1) output += static_cast<char>(c);
  }
  for (const char c : output)
    if (all.find(c) == std::string::npos || std::count(output.begin(), output.end(), c) != 1)
      return s.fail(errc::bad_value, "Einsum: attribute equation has a bad output");
  const auto needed_behind = [&](std::size_t i) {
    std::string needed = output;
    for (std::size_t k = i + 1; k < terms.size(); ++k) needed += terms[k].axes;
    return needed;
  };
  for (std::size_t i = 0; i < terms.size(); ++i) {
    std::string others = output;
    for (std::size_t k = 0; k < terms.size(); ++k)
      if (k != i) others += terms[k].axes;
    simplify(terms[i], others);
  }
  term y = terms[0];
  for (std::size_t i = 1; i < terms.size() && !s.to.failed(); ++i) y = contract(y, terms[i], needed_behind(i));
  if (!s.to.failed()) s.out[0] = arrange(y, output);
}

inline constexpr lowering matmul_lowerings[] = {
    {"", "Einsum", lower_einsum},
    {"", "Gemm", lower_gemm},
    {"", "MatMul", lower_matmul},
    {microsoft, "FusedMatMul", lower_fused_matmul},
    {microsoft, "TransposeMatMul", lower_fused_matmul},
};

}  // namespace dsmm::inline DSMM_ABI::convert
