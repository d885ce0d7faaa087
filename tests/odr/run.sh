#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Links a baseline unit and an AVX2 unit in both orders.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ "$(uname -m)" = x86_64 ] || { echo "skipped: x86 only"; exit 0; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags=(-std=c++20 -O1 -Iinclude -ffp-contract=off)
g++ "${flags[@]}" -DNAME=base -c tests/odr/unit.cpp -o "$out/base.o" &
g++ "${flags[@]}" -march=x86-64-v3 -DNAME=avx2 -c tests/odr/unit.cpp -o "$out/avx2.o" &
wait
g++ "${flags[@]}" -c tests/odr/main.cpp -o "$out/main.o"
g++ "$out/main.o" "$out/base.o" "$out/avx2.o" -o "$out/one" -pthread
g++ "$out/main.o" "$out/avx2.o" "$out/base.o" -o "$out/two" -pthread
# Only a machine that has AVX2 may call into the second unit.
if grep -qw avx2 /proc/cpuinfo; then
  "$out/one"
  "$out/two"
fi
