// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <optional>

#include "dsmm/gst/frame_format.hpp"
#include "started.hpp"

namespace dsmm::test {

inline std::optional<gst::frame_format> format_of(const char* caps) {
  start_gstreamer();
  GstCaps* const c = gst_caps_from_string(caps);
  const auto format = gst::frame_format::from(c);
  gst_caps_unref(c);
  return format;
}

}  // namespace dsmm::test
