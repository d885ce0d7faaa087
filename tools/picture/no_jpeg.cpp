// SPDX-License-Identifier: Apache-2.0
#include "tools/picture/picture.hpp"

namespace dsmm::inline DSMM_ABI::tools {

bool read_jpeg(const std::string&, int, picture&, std::string& trouble) {
  trouble = "this build of dsmm has no libjpeg: convert the picture to .npy, or build with libjpeg-dev installed";
  return false;
}

}  // namespace dsmm::inline DSMM_ABI::tools
