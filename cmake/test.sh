#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every test, stage by stage; ends with the line `N passed, N failed`. Called by ./run test [STAGE…].
set -uo pipefail
cd "$(dirname "$0")/.."

stages=(${@:-checks gcc asan arm64 install readme})
passed=0
failed=0
skips=()
started=$SECONDS
mkdir -p build

say() { printf '[%4ds] %s\n' $((SECONDS - started)) "$*"; }
ok() { passed=$((passed + 1)); }
bad() {
  failed=$((failed + 1))
  printf 'FAILED: %s\n' "$1"
  [ -n "${2:-}" ] && [ -f "$2" ] && tail -n 40 "$2"
}
# check NAME COMMAND…: one test that is a command
check() {
  local name=$1 log
  shift
  log=build/check-${name//[^a-z0-9]/-}.log
  if "$@" >"$log" 2>&1; then ok; else bad "$name" "$log"; fi
  grep -E '^skipped: ' "$log" | sort -u
}
skip() { skips+=("$1"); }

# Configures, builds and runs a preset; counts the test cases that its programs report.
preset() {
  local name=$1 log=build/test-$1.log
  say "$name: build"
  if ! cmake --preset "$name" >"$log" 2>&1; then bad "$name: configure" "$log"; return; fi
  if ! cmake --build "build/$name" -- -k 0 >"$log" 2>&1; then  # -k 0: see every error at once
    grep -E '(error|FAILED|undefined reference)' -A 4 "$log" | head -n 40
    bad "$name: build"
    return
  fi
  say "$name: test"
  ctest --test-dir "build/$name" --output-on-failure --verbose --timeout 600 --parallel 2 >"$log" 2>&1
  local status=$?
  # doctest closes with: [doctest] test cases:  41 |  41 passed | 0 failed | 0 skipped
  local cases
  cases=$(awk '/\[doctest\] test cases:/ {for (i = 1; i <= NF; i++) {if ($i == "passed") p += $(i-1); if ($i == "failed") f += $(i-1)}}
               END {print p + 0, f + 0}' "$log")
  # programs that are no doctest report through ctest alone
  local plain plain_failed
  plain=$(grep -cE 'Test +#[0-9]+: (plain|bench|example|fuzz)[^ ]* .*Passed' "$log")
  plain_failed=$(grep -cE 'Test +#[0-9]+: .*(\*\*\*|Failed)' "$log")
  passed=$((passed + ${cases% *} + plain))
  failed=$((failed + ${cases#* }))
  grep -E '(^|: )skipped: ' "$log" | sed 's/^[0-9]*: //' | sort -u
  if [ $status -ne 0 ]; then
    [ "${cases#* }" -eq 0 ] && failed=$((failed + (plain_failed > 0 ? plain_failed : 1)))
    grep -E 'ERROR:|FATAL|Failed|\*\*\*|error:|values:|AddressSanitizer|runtime error' "$log" | head -n 40
    printf 'FAILED: %s (%s)\n' "$name" "$log"
  fi
}

flags=(-std=c++20 -Iinclude -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fsyntax-only -x c++)

gst_flags=$(pkg-config --cflags gstreamer-1.0 gstreamer-base-1.0 gstreamer-video-1.0 gstreamer-audio-1.0 2>/dev/null)

# one_header COMPILER HEADER: includes it twice in an empty unit.
one_header() {
  local extra="" compiler=$1
  case $2 in
    */arm_*)  # by the cross compiler, once
      [ "$(uname -m)" = aarch64 ] || compiler=aarch64-linux-gnu-g++
      command -v "$compiler" >/dev/null || return 0
      ;;
    include/dsmm/gst/*) [ -n "$gst_flags" ] || return 0; extra=$gst_flags ;;
    include/dsmm/opencv/*) [ -d /usr/include/opencv4 ] || return 0; extra="-isystem /usr/include/opencv4" ;;
    */x86_*) [ "$(uname -m)" = x86_64 ] || return 0 ;;
  esac
  local name=${2#include/}
  printf '#include "%s"\n#include "%s"\n' "$name" "$name" | "$compiler" "${flags[@]}" $extra - || { echo "not alone: $2"; return 1; }
}

# A header that a unit includes first stands alone where that unit compiles.
headers_alone() {
  export -f one_header
  export gst_flags flags_text="${flags[*]}"
  local first
  first=$(find src tests tools gst -name '*.cpp' -exec grep -m 1 -h '^#include' {} + |
    sed -nE 's|^#include "(dsmm/.*)"|include/\1|p')
  comm -23 <(find include -name '*.hpp' | sort) <(sort -u <<<"$first") |
    xargs -P "$(nproc)" -I{} bash -c 'read -ra flags <<<"$flags_text"; one_header "$0" "$1"' "$1" {}
}

for stage in "${stages[@]}"; do
  case $stage in
    checks)
      say "checks"
      if command -v python3 >/dev/null; then
        check "house: layers" python3 cmake/checks/layers.py
        check "house: style" python3 cmake/checks/style.py
      else
        skip "layers and style: no python3"
      fi
      # One compiler: both compile all of them in tests anyway, and clang++ takes two thirds of the time.
      check "headers alone" headers_alone "$(command -v clang++ >/dev/null && echo clang++ || echo g++)"
      check "two units of different -march" bash tests/odr/run.sh
      check "a consumer with nothing but -I include" bash tests/consumer/include_only.sh
      check "declarations alone are light" bash tests/consumer/declarations.sh
      check "a net that does not fit does not compile" bash tests/models/net_misfits.sh
      ;;
    gcc) preset dev ;;
    clang) if command -v clang++ >/dev/null; then preset clang; else skip "clang: not installed"; fi ;;
    asan) preset asan ;;
    tsan) preset tsan ;;
    valgrind)  # sees what vector instructions read and write, which the sanitizers do not; it has AVX2, not AVX-512
      say "valgrind"
      if command -v valgrind >/dev/null; then
        check "valgrind: build" bash -c 'cmake --preset dev && cmake --build build/dev --target test_kernels'
        check "integer kernels under valgrind" valgrind -q --error-exitcode=9 build/dev/tests/test_kernels \
          -sf='*kernels/fences.cpp,*kernels/*u8s?.cpp,*kernels/requantize.cpp'
      else
        skip "valgrind: not installed"
      fi
      ;;
    arm64)
      if command -v aarch64-linux-gnu-g++ >/dev/null && command -v qemu-aarch64 >/dev/null; then preset arm64; else skip "arm64: no cross compiler or qemu"; fi
      ;;
    install) say "install"; check "install and use" bash tests/consumer/installed.sh ;;
    readme) say "readme"; check "commands of the README" bash tests/docs/readme.sh ;;
    *) echo "unknown stage: $stage" >&2; exit 2 ;;
  esac
done
command -v nvcc >/dev/null || skip "CUDA: no nvcc"
[ -d ../shared/data ] || skip "recorded lines: ../shared/data is not here"
for s in "${skips[@]}"; do printf 'skipped: %s\n' "$s"; done
say "done"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
