#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A user with nothing but -I include: builds, links and runs.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
g++ -std=c++20 -O1 -I include examples/hello.cpp -o "$out/hello"
"$out/hello" | grep -q usage && { echo "no arguments must be a usage error"; exit 1; } || [ "${PIPESTATUS[0]}" -eq 2 ]
head -c 100 /dev/zero >"$out/not-a-model"
! "$out/hello" "$out/not-a-model" "$out/not-a-model"
