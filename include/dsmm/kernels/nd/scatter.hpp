// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dsmm/config.hpp"
#include "dsmm/kernels/nd/binary.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/kernels/nd/visit.hpp"

/// Writing by index, updates in their own order on one thread: what a repeated index leaves is the same everywhere. An
/// update whose index lies outside is dropped.
namespace dsmm::inline DSMM_ABI::kernels::nd {

namespace scatter_impl {

/// Any s64 to [0, n), or -1.
constexpr std::int64_t inside(std::int64_t i, std::int64_t n) noexcept {
  if (i < 0 && i >= -n) i += n;
  return i >= 0 && i < n ? i : -1;
}

template <class T>
T combined(scatter_fn f, T old, T update) noexcept {
  switch (f) {
    case scatter_fn::add: return binary_impl::plus(old, update);
    case scatter_fn::mul: return binary_impl::times(old, update);
    case scatter_fn::max: return binary_impl::greatest(old, update);
    case scatter_fn::min: return binary_impl::least(old, update);
    default: return update;
  }
}

/// f(T{}) for the element type; without arithmetic any type of its size will do.
template <class F>
void visit_for(scatter_fn f, dtype type, F&& body) noexcept {
  if (f == scatter_fn::none) visit_size(type, body);
  else visit_numeric(type, body);
}

}  // namespace scatter_impl

/// Attributes: axis, reduction. Inputs: x, indices, updates of the shape of the indices.
inline void nd_scatter_elements(const call& c) noexcept {
  const view &x = c.in[0], &index = c.in[1], &updates = c.in[2], &y = c.out[0];
  const auto axis = static_cast<std::size_t>(c.attribute(0));
  const auto f = c.choice<scatter_fn>(1);
  const extent_list strides = dense_strides(x);
  std::memmove(y.data, x.data, x.bytes());
  scatter_impl::visit_for(f, x.type, [&]<class T>(T) {
    for (std::int64_t e = 0; e < index.count(); ++e) {
      const std::int64_t at = scatter_impl::inside(index_at(index.data, index.type, e), x.dims[axis]);
      if (at < 0) continue;
      std::int64_t rest = e, to = 0;
      for (std::size_t i = index.rank; i-- > 0; rest /= index.dims[i])
        to += (i == axis ? at : rest % index.dims[i]) * strides[i];
      T& target = y.as<T>()[to];
      target = scatter_impl::combined(f, target, updates.as<const T>()[e]);
    }
  });
}

/// Attribute: reduction. Inputs: x, indices (.., depth), updates.
inline void nd_scatter_nd(const call& c) noexcept {
  const view &x = c.in[0], &index = c.in[1], &updates = c.in[2], &y = c.out[0];
  const auto f = c.choice<scatter_fn>(0);
  const auto depth = static_cast<std::size_t>(index.dims[index.rank - 1u]);
  const std::int64_t rows = index.count(0, index.rank - 1u), run = x.count(depth);
  const extent_list strides = dense_strides(x);
  std::memmove(y.data, x.data, x.bytes());
  scatter_impl::visit_for(f, x.type, [&]<class T>(T) {
    for (std::int64_t r = 0; r < rows; ++r) {
      std::int64_t to = 0;
      for (std::size_t d = 0; d < depth && to >= 0; ++d) {
        const std::int64_t i =
            index_at(index.data, index.type, r * static_cast<std::int64_t>(depth) + static_cast<std::int64_t>(d));
        const std::int64_t at = scatter_impl::inside(i, x.dims[d]);
        to = at < 0 ? -1 : to + at * strides[d];
      }
      if (to < 0) continue;
      for (std::int64_t j = 0; j < run; ++j) {
        T& target = y.as<T>()[to + j];
        target = scatter_impl::combined(f, target, updates.as<const T>()[r * run + j]);
      }
    }
  });
}

}  // namespace dsmm::inline DSMM_ABI::kernels::nd
