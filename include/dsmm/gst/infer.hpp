// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <span>

#include "dsmm/config.hpp"
#include "dsmm/gst/infer_element.hpp"
#include "dsmm/gst/sensor_meta.hpp"
#include "dsmm/inspect/inspector.hpp"
#include "dsmm/stream/sensor_span.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// `dsmminfer`: the inspector, and the sensors that dsmmfuse joined to the frame.
struct infer_policy {
  using inspector = dsmm::inspector;
  using options = inspector_options;
  using context = frame_context;
  static constexpr const char* type_name = "Dsmm0Infer";
  static std::span<const sensor_span> sensors(GstBuffer* buffer) noexcept { return sensors_of(buffer); }
};
using infer = basic_infer<infer_policy>;

}  // namespace dsmm::inline DSMM_ABI::gst
