// SPDX-License-Identifier: Apache-2.0
#include "tools/picture/picture.hpp"

namespace dsmm::inline DSMM_ABI::tools {

bool read_png(const std::string&, int, picture&, std::string& trouble) {
  trouble = "this build of dsmm has no libpng: convert the picture to .npy, or build with libpng-dev installed";
  return false;
}

bool write_png(const std::string&, const picture&, std::string& trouble) {
  trouble = "this build of dsmm has no libpng: the .svg beside it shows the same";
  return false;
}

}  // namespace dsmm::inline DSMM_ABI::tools
