// SPDX-License-Identifier: Apache-2.0
#include <gst/gst.h>

#include "dsmm/gst/elements.hpp"

GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, dsmm, "Inspection of parts on a line",
                  dsmm::gst::register_elements, PACKAGE_VERSION, "Apache 2.0", "dsmm", "dsmm")
