#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# With dsmm::compiled, <dsmm/dsmm.hpp> costs a unit declarations: none of the headers that are slow to compile.
set -euo pipefail
cd "$(dirname "$0")/../.."
slow='/(chrono|memory|algorithm|vector|string|functional|cmath|atomic|thread|iostream|immintrin\.h)$'
files=$(echo '#include "dsmm/dsmm.hpp"' | g++ -std=c++20 -DDSMM_COMPILED=1 -Iinclude -M -x c++ - | tr -s ' \\' '\n')
if grep -E "$slow" <<<"$files"; then
  echo "dsmm/dsmm.hpp includes these; see bench/compile_time.sh for what they cost"
  exit 1
fi
