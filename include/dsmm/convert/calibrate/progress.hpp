// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <functional>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Called now and then during long work: what is done, and how far.
using progress_call = std::function<void(const char* stage, std::size_t done, std::size_t total)>;

}  // namespace dsmm::inline DSMM_ABI::convert
