// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>

#include "tools/commands.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// `dsmm demo` of a build without GStreamer or the image and sound libraries.
void demo(CLI::App& app) {
  app.allow_extras();
  app.callback([] {
    throw problem{"this dsmm was built without the demo", "dsmm demo",
                  "install the headers of GStreamer's base plugins, libjpeg, libpng and libsndfile, then build again"};
  });
}

}  // namespace dsmm::inline DSMM_ABI::tools
