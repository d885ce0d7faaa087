// SPDX-License-Identifier: Apache-2.0
// From which share of zero blocks (4 inputs x 32 outputs) a layer gains: times of 8/8 .. 1/8 blocks kept, one core, the
// best variant of this machine. bench_prune_density [PART OF A LAYER'S NAME].
#include <cstdint>
#include <cstdio>
#include <cstring>

#include "bench/timed_layer.hpp"
#include "dsmm/isa/isa.hpp"

namespace {

using namespace dsmm;

void walk(const kernels::conv_kernel& kernel, bool nibbles, const char* family, const char* only) {
  std::printf("%s %s\n  %-24s", family, to_string(kernel.required), "blocks kept");
  for (std::uint32_t kept = 8; kept > 0; --kept) std::printf("      %u/8", kept);
  std::printf("\n");
  for (const layer& l : layers) {
    if (l.depthwise || l.in % 32 != 0 || l.out < 64 || l.operations() > 1e9 || std::strstr(l.name, only) == nullptr)
      continue;
    std::printf("  %-24s", l.name);
    const double dense = timed_layer(l, kernel, {nibbles}).time();
    std::printf(" %6.1f us", dense * 1e6);
    for (std::uint32_t kept = 7; kept > 0; --kept)
      std::printf("  %5.2f x", dense / timed_layer(l, kernel, {nibbles, 0, kept}).time());
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const char* const only = argc > 1 ? argv[1] : "";
  const auto level = selected_isa();
  if (!level) return std::fprintf(stderr, "%s\n", level.error().text), 1;
  walk(kernels::conv_kernel_for(*level), false, "conv_u8s8", only);
  walk(kernels::conv_s4_kernel_for(*level), true, "conv_u8s4", only);
}
