// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/fixed_array.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/graph/plan_view.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/op_kind.hpp"
#include "dsmm/ops/op.hpp"

namespace dsmm::inline DSMM_ABI::detail {

/// Which values are written where a concat of channels wants them, so that joining them moves nothing: a part is a run
/// of channels of its whole.
class joined_parts {
public:
  /// Reads the halos that ops asked for. False: no memory for the tables.
  bool find(const model& m, std::span<const tensor_place> places) noexcept {
    wholes_ = fixed_array<std::uint32_t>(places.size());
    channels_ = fixed_array<std::int32_t>(places.size());
    writers_ = fixed_array<std::uint32_t>(places.size());
    if (!wholes_.valid() || !channels_.valid() || !writers_.valid()) return false;
    for (std::size_t i = 0; i < places.size(); ++i) wholes_[i] = writers_[i] = format::no_tensor, channels_[i] = 0;
    for (std::uint32_t i = 0; i < m.ops().size(); ++i)
      for (std::uint32_t k = 0; k < m.ops()[i].output_count; ++k) writers_[ops::op_view(m, i).output_index(k)] = i;
    for (std::uint32_t i = static_cast<std::uint32_t>(m.ops().size()); i-- > 0;) {  // wholes before their parts
      const ops::op_view op(m, i);
      if (!is_general(op.kind()) && static_cast<op_kind>(op.kind()) == op_kind::concat && op.attribute(0) == 2)
        join(op, places);
    }
    return true;
  }

  bool is_part(std::uint32_t tensor) const noexcept { return wholes_[tensor] != format::no_tensor; }
  std::uint32_t whole(std::uint32_t part) const noexcept { return wholes_[part]; }
  std::int32_t channel(std::uint32_t part) const noexcept { return channels_[part]; }

private:
  void join(const ops::op_view& op, std::span<const tensor_place> places) noexcept {
    const std::uint32_t y = op.output_index(0);
    if (op.output().kind != format::tensor_kind::value || places[y].plain) return;
    std::int32_t at = 0;
    for (std::uint32_t k = 0; k < op.inputs(); at += op.input(k++).dims[2]) {
      const std::uint32_t x = op.input_index(k);
      if (!fits(op, k, at, places[x])) continue;
      wholes_[x] = is_part(y) ? wholes_[y] : y;
      channels_[x] = at + channels_[y];
    }
  }

  /// Whole dwords of channels, and nobody wants a halo around the part alone.
  bool fits(const ops::op_view& op, std::uint32_t k, std::int32_t at, const tensor_place& place) const noexcept {
    const format::tensor_row &x = op.input(k), &y = op.output();
    const tensor_layout& l = place.layout;
    return x.kind == format::tensor_kind::value && ops::type_of(x) == dtype::u8 && !place.plain &&
           l.top + l.left + l.bottom + l.right == 0 && ops::quantization_of(x) == ops::quantization_of(y) &&
           x.dims[2] % channel_block == 0 && at % channel_block == 0 && !is_part(op.input_index(k)) &&
           writes_anywhere(op.source(), op.input_index(k));
  }

  /// Ops whose kernels write pixels at any distance just as fast.
  bool writes_anywhere(const model& m, std::uint32_t tensor) const noexcept {
    if (writers_[tensor] == format::no_tensor || is_general(m.ops()[writers_[tensor]].kind)) return false;
    switch (static_cast<op_kind>(m.ops()[writers_[tensor]].kind)) {
      case op_kind::conv2d:
      case op_kind::dwconv2d:
      case op_kind::linear:
      case op_kind::max_pool:
      case op_kind::avg_pool:
      case op_kind::resize:
      case op_kind::concat: return true;
      default: return false;
    }
  }

  fixed_array<std::uint32_t> wholes_, writers_;  ///< by tensor; no_tensor: none
  fixed_array<std::int32_t> channels_;
};

}  // namespace dsmm::inline DSMM_ABI::detail
