// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/infer_shapes.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/verify/accumulators.hpp"
#include "dsmm/model/verify/container.hpp"
#include "dsmm/model/verify/levels.hpp"
#include "dsmm/model/verify/programs.hpp"
#include "dsmm/model/verify/side_tables.hpp"
#include "dsmm/model/verify/tables.hpp"
#include "dsmm/model/verify/tensors.hpp"
#include "dsmm/model/verify/tiers.hpp"

namespace dsmm::inline DSMM_ABI {

/// Checks every byte of a .dsmm file that anything later relies on, and cuts it into its tables.
/// file  the whole file, at a multiple of 64; must outlive what is returned.
/// Errors: invalid_argument (alignment), bad_magic, bad_version, truncated, bad_hash, bad_layout, bad_index, bad_value,
///         too_large, shape_mismatch, dtype_mismatch, unsupported. `where` is the row or byte that the text names.
/// Allocates nothing, never recurses; time grows with the size of the file, not with what it claims.
inline result<model_rows> verify(std::span<const std::byte> file) noexcept {
  using format::section_kind;
  model_rows rows;
  if (auto r = verify_impl::check_header(file, rows); !r) return r.error();
  if (auto r = verify_impl::check_tiling(file, rows); !r) return r.error();
  if (auto r = verify_impl::check_sections(file, rows); !r) return r.error();
  const auto text = [&](section_kind kind) {
    const std::span<const std::byte> bytes = verify_impl::section_bytes(file, rows, kind);
    return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  rows.strings = text(section_kind::strings);
  rows.meta = text(section_kind::meta);
  rows.weights = verify_impl::section_bytes(file, rows, section_kind::weights);
  if (auto r = verify_impl::split_graph(verify_impl::section_bytes(file, rows, section_kind::graph), rows); !r)
    return r.error();
  if (auto r = verify_impl::check_tensors(rows); !r) return r.error();
  if (auto r = verify_impl::check_ops(rows); !r) return r.error();
  if (auto r = verify_impl::check_programs(rows); !r) return r.error();
  if (auto r = verify_impl::check_tiers(rows); !r) return r.error();
  if (auto r = check_shapes(rows); !r) return r.error();
  if (auto r = verify_impl::check_accumulators(rows); !r) return r.error();
  if (auto r = verify_impl::check_meta(rows.meta); !r) return r.error();
  const auto self_tests = verify_impl::section_bytes(file, rows, section_kind::selftest);
  if (auto r = verify_impl::split_self_tests(self_tests, rows); !r) return r.error();
  const auto variants = verify_impl::section_bytes(file, rows, section_kind::variants);
  if (auto r = verify_impl::check_levels(variants, rows); !r) return r.error();
  return rows;
}

}  // namespace dsmm::inline DSMM_ABI
