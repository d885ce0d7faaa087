// SPDX-License-Identifier: Apache-2.0
#include "tools/picture/picture.hpp"

namespace dsmm::inline DSMM_ABI::tools {

bool read_picture(const std::filesystem::path&, picture&, std::string& trouble) {
  trouble = "this dsmm was built without libpng and libjpeg: give .npy files";
  return false;
}

}  // namespace dsmm::inline DSMM_ABI::tools
