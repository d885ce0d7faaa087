#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Single layers beside oneDNN and XNNPACK (Debian: libdnnl-dev, libxnnpack-dev, libpthreadpool-dev) and llama.cpp's ggml,
# which is built from the source package llama-cpp-python of PyPI: bench/peers/layers.sh [OPTIONS of layers/main.cpp].
# A library that is not there is left out.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=build/peers
mkdir -p "$out"
compiler=${CXX:-g++}

has() { printf '#include <%s>\n' "$1" | "$compiler" -E -x c++ - >/dev/null 2>&1; }

ggml() {
  [ -f "$out/ggml/build/ggml/src/libggml.a" ] && return
  echo "building ggml in $out/ggml, once" >&2
  rm -rf "$out/ggml" && mkdir -p "$out/ggml/source"
  python3 -m pip download --quiet --no-deps --no-binary :all: -d "$out/ggml" llama-cpp-python &&
    tar xzf "$out"/ggml/llama_cpp_python-*.tar.gz -C "$out/ggml/source" --strip-components 1 &&
    cmake -S "$out/ggml/source/vendor/llama.cpp" -B "$out/ggml/build" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF \
      -DGGML_OPENMP=OFF -DLLAMA_BUILD_COMMON=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_TOOLS=OFF \
      -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF &&
    cmake --build "$out/ggml/build" --target ggml
}

includes=() libraries=()
if has dnnl.hpp; then libraries+=(-ldnnl -fopenmp); else echo "left out: oneDNN (libdnnl-dev)" >&2; fi
if has xnnpack.h; then libraries+=(-lXNNPACK -lpthreadpool); else echo "left out: XNNPACK (libxnnpack-dev, libpthreadpool-dev)" >&2; fi
if ggml >"$out/ggml.log" 2>&1; then
  includes+=("-I$out/ggml/source/vendor/llama.cpp/ggml/include")
  libraries+=("$out"/ggml/build/ggml/src/lib{ggml,ggml-cpu,ggml-base}.a -ldl)
else
  echo "left out: ggml ($out/ggml.log)" >&2
fi
"$compiler" -std=c++20 -O3 -DNDEBUG -ffp-contract=off -Iinclude -I. "${includes[@]}" bench/peers/layers/main.cpp \
  -o "$out/layers" "${libraries[@]}" -pthread
echo "machine: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs), $(nproc) CPUs, commit $(git rev-parse --short HEAD)"
"$out/layers" "$@"
