// SPDX-License-Identifier: Apache-2.0
#include <cstdio>

const void* find_definition_base();
const void* find_definition_avx2();
float draw_base();
float draw_avx2();

// Two units of different -march must keep their own inline functions: if the linker merged them, the baseline unit
// would run AVX2 code on a box without it.
int main() {
  const bool apart = find_definition_base() != find_definition_avx2();
  const bool equal = draw_base() == draw_avx2();
  std::printf("copies %s, results %s\n", apart ? "kept apart" : "MERGED", equal ? "equal" : "DIFFER");
  return apart && equal ? 0 : 1;
}
