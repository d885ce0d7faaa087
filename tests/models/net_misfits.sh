#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A dsmm::net whose layers do not fit together does not compile, and the compiler says what does not fit.
set -uo pipefail
cd "$(dirname "$0")/../.."
compiler=${1:-g++}
failed=0

# check PATTERN LAYERS: an empty pattern means that it must compile
check() {
  local said status
  said=$(printf '#include "dsmm/models/net.hpp"\nusing namespace dsmm;\nconstexpr auto n = net<input<16, 16, 8>, %s>::arena;\n' "$2" |
    "$compiler" -std=c++20 -ffp-contract=off -I include -fsyntax-only -x c++ - 2>&1)
  status=$?
  if [ -z "$1" ]; then [ $status -eq 0 ] && return; else [ $status -ne 0 ] && grep -q -- "$1" <<<"$said" && return; fi
  printf 'FAILED: net<input<16, 16, 8>, %s>, expected "%s":\n%s\n' "$2" "$1" "$(head -n 5 <<<"$said")"
  failed=1
}

check '' 'conv<8, 3>, relu, residual<conv<8, 3>>, global_pool, linear<2, true>'
check 'window is larger' 'conv<8, 3>, max_pool<8>, conv<8, 5, conv_options{.pad = 0}>'
check 'must keep the shape' 'residual<conv<16, 3>>'
check 'relu follows' 'conv<8, 3>, max_pool<2>, relu'
check 'groups must divide' 'conv<8, 3, conv_options{.groups = 3}>'
check 'gives f32' 'conv<8, 3, conv_options{.f32 = true}>, linear<4>'
[ $failed -eq 0 ] && echo "nets that do not fit: refused as promised"
exit $failed
