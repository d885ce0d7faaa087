// SPDX-License-Identifier: Apache-2.0
// Layers on one core, every variant that this machine has, as a share of what its dot product reaches on registers
// alone in the same run. bench_kernels [ISA] [PART OF A LAYER'S NAME].
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

#include "bench/ceiling.hpp"
#include "bench/layers.hpp"
#include "dsmm/core/rng.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/kernels/conv_u8s8.hpp"
#include "dsmm/kernels/dwconv_u8s8.hpp"

namespace {

using namespace dsmm;

/// Seconds of one call.
double time_of(const layer& l, isa level) {
  // Few channels are stored as they are: the taps of a row are then one run, as the conv2d op does it.
  const bool merged = l.in % 4 != 0;
  const std::int32_t run = merged ? l.in * l.kernel : l.in, pad = l.kernel / 2;
  const kernels::conv_geometry g{l.kernel, merged ? 1 : l.kernel, l.stride, l.stride, 1, 1,
                                 run,      (run + 3) / 4 * 4,     l.out};
  const std::ptrdiff_t x_row = std::ptrdiff_t{l.width + 2 * pad} * l.in;

  rng random(1);
  std::vector<std::uint8_t> x(static_cast<std::size_t>(x_row * (l.height + 2 * pad) + 3));
  for (auto& v : x) v = static_cast<std::uint8_t>(random.below(256));
  std::vector<std::int8_t> w8(static_cast<std::size_t>(l.out * l.kernel * l.kernel * (l.depthwise ? 1 : l.in)));
  for (auto& v : w8) v = static_cast<std::int8_t>(static_cast<int>(random.below(255)) - 127);
  std::vector<std::uint8_t> y(static_cast<std::size_t>(l.output().count()));
  const auto channels = kernels::packed_channels(g);
  const std::vector<std::int32_t> bias(channels), multiplier(channels, 1 << 30), shift(channels, 43);
  const kernels::conv_epilogue e{bias.data(), multiplier.data(), shift.data(), nullptr, 128};

  std::vector<std::byte> memory((l.depthwise ? kernels::dw_pack_bytes : kernels::conv_pack_bytes)(g, level) + 64);
  void* at = memory.data();
  std::size_t space = memory.size();
  auto* const aligned = static_cast<std::byte*>(std::align(64, 1, at, space));
  const kernels::conv_packed p =
      (l.depthwise ? kernels::dw_pack : kernels::conv_pack)(g, level, w8.data(), x_row, l.in, aligned);
  const tensor_view<const std::uint8_t> in{x.data(), {l.height, l.width, l.in}, x_row, l.in};
  const tensor_view<std::uint8_t> out = dense_view(y.data(), l.output());
  const auto rows = l.depthwise ? kernels::dw_rows_u8 : kernels::conv_rows_u8;
  return best_time([&] { rows(p, e, in, out, 0, out.shape.h); });
}

}  // namespace

int main(int argc, char** argv) {
  const char* const only_isa = argc > 1 ? argv[1] : "";
  const char* const only_layer = argc > 2 ? argv[2] : "";
  for (const auto& [name, size] : {std::pair{"16 KB", 1 << 14}, {"512 KB", 1 << 19}, {"8 MB", 1 << 23}})
    std::printf("reads of %s: %.0f GB/s\n", name, ceiling::read_bytes(static_cast<std::size_t>(size)) / 1e9);
  kernels::conv_variants::for_each([&]<class V>(std::type_identity<V>) {
    if (*only_isa != '\0' && std::strcmp(only_isa, to_string(V::required)) != 0) return;
    if (!has_isa(V::required)) return std::printf("%s: not on this machine\n", to_string(V::required)), void();
    const double most = ceiling::operations(V::required);
    std::printf("%s: ", to_string(V::required));
    if (most > 0.0) std::printf("dot product on registers %.0f GOP/s", most / 1e9);
    std::printf("\n");
    for (const layer& l : layers) {
      if (std::strstr(l.name, only_layer) == nullptr) continue;
      if (V::required == isa::generic && l.operations() > 3e8) continue;  // seconds each, and nobody waits for it
      const double time = time_of(l, V::required), speed = l.operations() / time;
      std::printf("  %-26s %9.2f us  %7.1f GOP/s", l.name, time * 1e6, speed / 1e9);
      if (most > 0.0) std::printf("  %3.0f %%", 100.0 * speed / most);
      std::printf("\n");
    }
  });
}
