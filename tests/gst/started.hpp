// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

namespace dsmm::test {

/// gst_init() with a registry of the tests' own, the leak tracer, and every critical warning fatal. Once per process.
inline void start_gstreamer() {
  static const bool once = [] {
    g_setenv("GST_REGISTRY", "dsmm-test-registry.bin", FALSE);
    g_setenv("GST_TRACERS", "leaks", FALSE);
    gst_init(nullptr, nullptr);
    g_log_set_always_fatal(static_cast<GLogLevelFlags>(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK));
    return true;
  }();
  static_cast<void>(once);
}

}  // namespace dsmm::test
