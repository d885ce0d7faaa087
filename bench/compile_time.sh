#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Seconds of compiler time for one include, best of three: declarations (with dsmm::compiled) and header-only;
# <Eigen/Dense> is the yardstick.
set -euo pipefail
cd "$(dirname "$0")/.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
seconds() {
  printf '#define DSMM_COMPILED %s\n#include %s\n' "${2:-0}" "$1" >"$out/unit.cpp"
  for _ in 1 2 3; do
    { /usr/bin/env bash -c 'TIMEFORMAT=%U; time "$@"' _ g++ -std=c++20 -O2 -Iinclude -isystem /usr/include/eigen3 \
      -c "$out/unit.cpp" -o "$out/unit.o"; } 2>&1
  done | sort -n | head -n 1
}
ours=$(seconds '"dsmm/dsmm.hpp"' 1)
whole=$(seconds '"dsmm/dsmm.hpp"')
printf 'dsmm/dsmm.hpp      %s s with dsmm::compiled, %s s header-only\n' "$ours" "$whole"
for header in dsmm/model/model.hpp dsmm/graph/session.hpp dsmm/core/result.hpp; do
  printf '%-18s %s s\n' "$header" "$(seconds "\"$header\"")"
done
if [ -d /usr/include/eigen3 ]; then
  eigen=$(seconds '<Eigen/Dense>')
  printf 'Eigen/Dense        %s s\n' "$eigen"
  awk -v a="$ours" -v w="$whole" -v b="$eigen" \
    'BEGIN {printf "ratio %.2f with dsmm::compiled (budget 0.50), %.2f header-only\n", a / b, w / b}'
fi
