// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include "dsmm/config.hpp"
#include "dsmm/gst/element.hpp"
#include "dsmm/gst/fuse.hpp"
#include "dsmm/gst/infer.hpp"
#include "dsmm/gst/overlay.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// Name in a pipeline and type of every element; a new element is one row here.
struct element_row {
  const char* name;
  GType (*type)();
};
inline constexpr element_row elements[] = {
    {"dsmmfuse", type_of<fuse>},
    {"dsmminfer", type_of<infer>},
    {"dsmmoverlay", type_of<overlay>},
};

#define DSMM_GST_TEXT_(x) #x
#define DSMM_GST_TEXT(x) DSMM_GST_TEXT_(x)
/// "major.minor.patch"
inline constexpr char plugin_version[] =
    DSMM_GST_TEXT(DSMM_VERSION_MAJOR) "." DSMM_GST_TEXT(DSMM_VERSION_MINOR) "." DSMM_GST_TEXT(DSMM_VERSION_PATCH);
#undef DSMM_GST_TEXT
#undef DSMM_GST_TEXT_

/// Registers every element with a plugin. Returns FALSE if GStreamer refused one.
inline gboolean register_elements(GstPlugin* plugin) noexcept {
  for (const element_row& row : elements)
    if (!gst_element_register(plugin, row.name, GST_RANK_NONE, row.type())) return FALSE;
  return TRUE;
}

/// Makes the elements available in a program that includes this header, without a loadable plugin.
/// Call once, after gst_init().
inline bool register_static() noexcept {
  return gst_plugin_register_static(GST_VERSION_MAJOR, GST_VERSION_MINOR, "dsmm", "Inspection of parts on a line",
                                    register_elements, plugin_version, "Apache 2.0", "dsmm", "dsmm", "dsmm") != FALSE;
}

}  // namespace dsmm::inline DSMM_ABI::gst
