// SPDX-License-Identifier: Apache-2.0
// Layers on one core, every variant that this machine has, as a share of what its dot product reaches on registers
// alone in the same run. bench_kernels [ISA] [PART OF A LAYER'S NAME].
#include <cstdio>
#include <cstring>
#include <utility>

#include "bench/ceiling.hpp"
#include "bench/timed_layer.hpp"
#include "dsmm/isa/isa.hpp"

namespace {

using namespace dsmm;

const char* only_isa = "";
const char* only_layer = "";

void print(const char* form, double operations, double time, double most) {
  std::printf("  %-10s %9.2f us %7.1f GOP/s", form, time * 1e6, operations / time / 1e9);
  if (most > 0.0) std::printf(" %4.0f %%", 100.0 * operations / time / most);
}

/// Walks the layers with one variant; `dense` says which of them.
void walk(const kernels::conv_kernel& kernel, bool depthwise, bool nibbles, const char* family) {
  if (*only_isa != '\0' && std::strcmp(only_isa, to_string(kernel.required)) != 0) return;
  if (!has_isa(kernel.required))
    return std::printf("%s %s: not on this machine\n", family, to_string(kernel.required)), void();
  const double most = ceiling::operations(kernel.required);
  std::printf("%s %s, dot product on registers %.0f GOP/s\n", family, to_string(kernel.required), most / 1e9);
  for (const layer& l : layers) {
    if (std::strstr(l.name, only_layer) == nullptr || l.depthwise != depthwise) continue;
    if (kernel.required == isa::generic && l.operations() > 3e8) continue;  // seconds each, and nobody waits for it
    std::printf("  %-26s", l.name);
    print(nibbles ? "per channel" : "", l.operations(), timed_layer(l, kernel, {nibbles}).time(), most);
    if (nibbles && l.in % 4 == 0)
      print("groups of 64", l.operations(), timed_layer(l, kernel, {true, 64}).time(), most);
    std::printf("\n");
  }
}

/// What pruning gains: operations are those of the dense layer.
void walk_densities(const kernels::conv_kernel& kernel, const char* family) {
  if (*only_isa != '\0' && std::strcmp(only_isa, to_string(kernel.required)) != 0) return;
  if (!has_isa(kernel.required) || kernel.required == isa::generic) return;
  for (const layer& l : layers) {
    if (std::strstr(l.name, only_layer) == nullptr || l.depthwise || l.in % 64 != 0 || l.out < 64 || l.height == 512)
      continue;
    const double dense = timed_layer(l, kernel).time();
    std::printf("%s %s %-26s dense %8.1f us", family, to_string(kernel.required), l.name, dense * 1e6);
    for (const std::uint32_t kept : {4u, 2u, 1u}) {
      const double time = timed_layer(l, kernel, {false, 0, kept}).time();
      std::printf(", 1/%u %8.1f us (%.2f x, %.0f GOP/s)", 8 / kept, time * 1e6, dense / time,
                  l.operations() / time / 1e9);
    }
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) only_isa = argv[1];
  if (argc > 2) only_layer = argv[2];
  for (const auto& [name, size] : {std::pair{"16 KB", 1 << 14}, {"512 KB", 1 << 19}, {"8 MB", 1 << 23}})
    std::printf("reads of %s: %.0f GB/s\n", name, ceiling::read_bytes(static_cast<std::size_t>(size)) / 1e9);
  kernels::conv_variants::for_each(
      []<class V>(std::type_identity<V>) { walk(kernels::conv_kernel_of<V>, false, false, "conv_u8s8"); });
  kernels::conv_s4_variants::for_each(
      []<class V>(std::type_identity<V>) { walk(kernels::conv_kernel_of<V>, false, true, "conv_u8s4"); });
  kernels::dw_variants::for_each(
      []<class V>(std::type_identity<V>) { walk(kernels::conv_kernel_of<V>, true, false, "dwconv_u8s8"); });
  kernels::conv_s4_variants::for_each(
      []<class V>(std::type_identity<V>) { walk_densities(kernels::conv_kernel_of<V>, "conv_u8s4"); });
  kernels::conv_variants::for_each(
      []<class V>(std::type_identity<V>) { walk_densities(kernels::conv_kernel_of<V>, "conv_u8s8"); });
}
