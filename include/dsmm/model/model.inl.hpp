// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/model/model.hpp"
#include "dsmm/model/verify.hpp"

namespace dsmm::inline DSMM_ABI {

DSMM_INLINE result<model> model::open(std::span<const std::byte> file) noexcept {
  const result<model_rows> rows = verify(file);
  if (!rows) return rows.error();
  return model(*rows, file);
}

}  // namespace dsmm::inline DSMM_ABI
