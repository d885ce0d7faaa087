// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/core/tensor.hpp"

/// A layer that is timed; what it costs counts its own products, not those with padding.
struct layer {
  const char* name;
  std::int32_t kernel, stride, in, out, height, width;  ///< height, width of the input
  bool depthwise = false;

  dsmm::extents output() const noexcept { return {(height + stride - 1) / stride, (width + stride - 1) / stride, out}; }
  double operations() const noexcept {
    return 2.0 * static_cast<double>(output().count()) * kernel * kernel * (depthwise ? 1 : in);
  }
};

inline constexpr layer layers[] = {
    // The encoder of this project.
    {"3x3 s2 16->32 @256", 3, 2, 16, 32, 256, 256},
    {"3x3 s2 32->48 @128", 3, 2, 32, 48, 128, 128},
    {"3x3 s2 48->96 @64", 3, 2, 48, 96, 64, 64},
    {"3x3 96->128 @32", 3, 1, 96, 128, 32, 32},
    {"5x5 s2 1->16 @512", 5, 2, 1, 16, 512, 512},
    {"linear 64->64, 1 row", 1, 1, 64, 64, 1, 1},
    {"linear 64->64, 8 rows", 1, 1, 64, 64, 8, 1},
    {"linear 256->256, 1 row", 1, 1, 256, 256, 1, 1},
    // ResNet-18 at 224 x 224.
    {"7x7 s2 3->64 @224", 7, 2, 3, 64, 224, 224},
    {"3x3 64->64 @56", 3, 1, 64, 64, 56, 56},
    {"3x3 s2 64->128 @56", 3, 2, 64, 128, 56, 56},
    {"1x1 s2 64->128 @56", 1, 2, 64, 128, 56, 56},
    {"3x3 128->128 @28", 3, 1, 128, 128, 28, 28},
    {"3x3 256->256 @14", 3, 1, 256, 256, 14, 14},
    {"3x3 512->512 @7", 3, 1, 512, 512, 7, 7},
    // MobileNetV2 at 224 x 224.
    {"3x3 s2 3->32 @224", 3, 2, 3, 32, 224, 224},
    {"1x1 16->96 @112", 1, 1, 16, 96, 112, 112},
    {"1x1 144->24 @56", 1, 1, 144, 24, 56, 56},
    {"1x1 96->576 @14", 1, 1, 96, 576, 14, 14},
    {"1x1 576->96 @14", 1, 1, 576, 96, 14, 14},
    {"1x1 960->320 @7", 1, 1, 960, 320, 7, 7},
    // Transformers.
    {"linear 4096->4096, 1 row", 1, 1, 4096, 4096, 1, 1},
    {"linear 4096->4096, 8 rows", 1, 1, 4096, 4096, 8, 1},
    {"linear 4096->4096, 512", 1, 1, 4096, 4096, 512, 1},
    {"linear 768->768, 196 rows", 1, 1, 768, 768, 196, 1},
    // Depthwise.
    {"depthwise 3x3 64 @64", 3, 1, 64, 64, 64, 64, true},
    {"depthwise 3x3 32 @112", 3, 1, 32, 32, 112, 112, true},
    {"depthwise 3x3 64 @112", 3, 1, 64, 64, 112, 112, true},
    {"depthwise s2 96 @112", 3, 2, 96, 96, 112, 112, true},
    {"depthwise 3x3 144 @56", 3, 1, 144, 144, 56, 56, true},
    {"depthwise 3x3 192 @28", 3, 1, 192, 192, 28, 28, true},
    {"depthwise 3x3 576 @14", 3, 1, 576, 576, 14, 14, true},
    {"depthwise 3x3 960 @7", 3, 1, 960, 960, 7, 7, true},
};
