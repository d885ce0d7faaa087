// SPDX-License-Identifier: Apache-2.0
#pragma once

/// The public API: models, sessions, inspectors. Neither GStreamer nor OpenCV comes with it; their adapters are
/// dsmm/gst/elements.hpp and dsmm/opencv/mat.hpp.
#include "dsmm/config.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/inspect/inspector.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
