// SPDX-License-Identifier: Apache-2.0
// Whether a larger layer is ever much faster than a smaller one: where the choice of a kernel, a tile or a layout of
// weights makes a step that padding would avoid. bench_cliffs [ISA]; status 1 if a step stays after many passes.
#include <algorithm>
#include <cstdio>
#include <functional>
#include <limits>
#include <string_view>
#include <vector>

#include "bench/timed_layer.hpp"
#include "dsmm/isa/isa.hpp"

namespace {

using namespace dsmm;

/// How much longer than a larger layer one may take.
constexpr double most = 1.6;
/// The shortest of so many passes counts: others take the processor away, and nothing else makes a pass long.
constexpr int least_passes = 3, most_passes = 20;

struct sweep {
  const char* name;
  std::int32_t from, to, step;
  std::function<double(std::int32_t)> seconds;  ///< of the layer of that size
};

/// The worst time(n) / time(n') of n < n', and where.
struct step_found {
  double ratio = 0.0;
  std::size_t at = 0, larger = 0;
};

step_found worst_step(const std::vector<double>& time) {
  step_found worst;
  std::size_t shortest = time.size() - 1;  // of all that are larger
  for (std::size_t i = time.size() - 1; i-- > 0;) {
    if (time[i + 1] < time[shortest]) shortest = i + 1;
    if (time[i] / time[shortest] > worst.ratio) worst = {time[i] / time[shortest], i, shortest};
  }
  return worst;
}

bool is_smooth(const sweep& s) {
  std::vector<double> time(static_cast<std::size_t>((s.to - s.from) / s.step + 1),
                           std::numeric_limits<double>::infinity());
  step_found worst;
  int pass = 0;
  do {
    for (std::size_t i = 0; i < time.size(); ++i)
      time[i] = std::min(time[i], s.seconds(s.from + static_cast<std::int32_t>(i) * s.step));
    worst = worst_step(time);
  } while (++pass < least_passes || (worst.ratio > most && pass < most_passes));
  const auto size = [&](std::size_t i) { return s.from + static_cast<std::int32_t>(i) * s.step; };
  std::printf("  %-44s %d .. %d: at most %.2f x (%d: %.2f us, %d: %.2f us)%s\n", s.name, s.from, s.to, worst.ratio,
              size(worst.at), time[worst.at] * 1e6, size(worst.larger), time[worst.larger] * 1e6,
              worst.ratio > most ? "  A STEP" : "");
  return worst.ratio <= most;
}

double seconds_of(const layer& l, isa level, weight_form form = {}) {
  const auto& kernel = l.depthwise    ? kernels::dw_kernel_for(level)
                       : form.nibbles ? kernels::conv_s4_kernel_for(level)
                                      : kernels::conv_kernel_for(level);
  timed_layer timed(l, kernel, form);
  return best_time([&] { timed.run(0, timed.rows()); }, 0.001);
}

/// Groups of 64, as nibbles or expanded: what the op decides for so many rows.
double seconds_of_groups(std::int32_t rows, isa level) {
  const layer l{"", 1, 1, 256, 256, rows, 1};
  const kernels::conv_geometry g{1, 1, 1, 1, 1, 1, 256, 256, 256};
  const bool nibbles = kernels::keep_nibbles(g, 64, rows, level);
  return seconds_of(l, level, {nibbles, nibbles ? 64 : 0});
}

bool all_smooth(isa level) {
  std::printf("%s\n", to_string(level));
  const sweep sweeps[] = {
      {"linear 256->256, rows", 1, 64, 1,
       [=](std::int32_t n) {
         return seconds_of({"", 1, 1, 256, 256, n, 1}, level);
       }},
      {"linear 256->256, groups of 64, rows", 1, 64, 1, [=](std::int32_t n) { return seconds_of_groups(n, level); }},
      {"linear 256->n, one row, outputs", 1, 160, 3,
       [=](std::int32_t n) {
         return seconds_of({"", 1, 1, 256, n, 1, 1}, level);
       }},
      {"1x1 64->n @14, outputs", 1, 160, 3,
       [=](std::int32_t n) {
         return seconds_of({"", 1, 1, 64, n, 14, 14}, level);
       }},
      {"3x3 n->32 @14, inputs", 1, 64, 1,
       [=](std::int32_t n) {
         return seconds_of({"", 3, 1, n, 32, 14, 14}, level);
       }},
      {"3x3 32->32, 8 rows, width", 1, 64, 1,
       [=](std::int32_t n) {
         return seconds_of({"", 3, 1, 32, 32, 8, n}, level);
       }},
      {"3x3 32->32, 1 row, width", 1, 64, 1,
       [=](std::int32_t n) {
         return seconds_of({"", 3, 1, 32, 32, 1, n}, level);
       }},
      {"depthwise 3x3 n @14, channels", 4, 160, 4,
       [=](std::int32_t n) {
         return seconds_of({"", 3, 1, n, n, 14, 14, true}, level);
       }},
      {"depthwise 3x3 s2 n @14, channels", 4, 160, 4,
       [=](std::int32_t n) {
         return seconds_of({"", 3, 2, n, n, 14, 14, true}, level);
       }},
      {"depthwise 5x5 n @14, channels", 4, 160, 4,
       [=](std::int32_t n) {
         return seconds_of({"", 5, 1, n, n, 14, 14, true}, level);
       }},
      {"depthwise 3x3 32, 8 rows, width", 1, 64, 1,
       [=](std::int32_t n) {
         return seconds_of({"", 3, 1, 32, 32, 8, n, true}, level);
       }},
      {"depthwise 3x3 16, 8 rows, width", 1, 64, 1,
       [=](std::int32_t n) {
         return seconds_of({"", 3, 1, 16, 16, 8, n, true}, level);
       }},
  };
  bool smooth = true;
  for (const sweep& s : sweeps) smooth &= is_smooth(s);
  return smooth;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view only = argc > 1 ? argv[1] : "";
  bool smooth = true;
  for (const isa_row& row : isa_rows)
    if (row.here() && (only.empty() ? row.id == best_isa() : only == row.name)) smooth &= all_smooth(row.id);
  return smooth ? 0 : 1;
}
