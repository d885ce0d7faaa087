#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs into an empty prefix, then builds a user's project with find_package and another with pkg-config.
set -euo pipefail
cd "$(dirname "$0")/../.."
root=$PWD
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
cmake -S . -B "$out/build" -G Ninja -DDSMM_DEVELOP=OFF -DCMAKE_INSTALL_PREFIX="$out/prefix"
cmake --install "$out/build"
mkdir "$out/user"
cat >"$out/user/CMakeLists.txt" <<TEXT
cmake_minimum_required(VERSION 3.25)
project(user LANGUAGES CXX)
find_package(dsmm 0.1 REQUIRED)
add_executable(hello $root/examples/hello.cpp)
target_link_libraries(hello PRIVATE dsmm::dsmm)
add_executable(hello_compiled $root/examples/hello.cpp)
target_link_libraries(hello_compiled PRIVATE dsmm::compiled)
TEXT
cmake -S "$out/user" -B "$out/user/build" -G Ninja -DCMAKE_PREFIX_PATH="$out/prefix"
cmake --build "$out/user/build"
[ -x "$out/user/build/hello" ] && [ -x "$out/user/build/hello_compiled" ]
if command -v pkg-config >/dev/null; then
  export PKG_CONFIG_PATH
  PKG_CONFIG_PATH=$(dirname "$(find "$out/prefix" -name dsmm.pc)")
  g++ $(pkg-config --cflags dsmm) -fsyntax-only examples/hello.cpp
fi
