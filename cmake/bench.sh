#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the benches of build/release one after the other; ./run bench [NAME…] chooses.
set -euo pipefail
cd "$(dirname "$0")/.."

echo "machine: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs || true), $(nproc) CPUs, load $(cut -d' ' -f1 /proc/loadavg)"
echo "commit:  $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(g++ --version | head -n 1)"
names=("$@")
[ ${#names[@]} -gt 0 ] || names=(kernels cliffs threads hop stream stream_fuse load compile_time)
for name in "${names[@]}"; do
  printf '\n== %s\n' "$name"
  case $name in
    compile_time) bash bench/compile_time.sh ;;
    load) for m in models/*.dsmm; do build/release/bench/bench_load "$m"; done ;;
    *)
      [ -x "build/release/bench/bench_$name" ] || { echo "no bench of this name: $name"; exit 2; }
      "build/release/bench/bench_$name"
      ;;
  esac
done
