// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>

#include "dsmm/model/model.hpp"
#include "dsmm/model/op_kind.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// The model in the JSON form that the viewer Netron opens (file extension .netron): one module per program.
nlohmann::ordered_json to_netron(const model& m);

/// Names of an op's attributes, in file order; parallel to op_signatures.
const char* attribute_name(op_kind kind, std::uint32_t index) noexcept;
/// Names of an op's inputs.
const char* input_name(op_kind kind, std::uint32_t index) noexcept;

}  // namespace dsmm::inline DSMM_ABI::tools
