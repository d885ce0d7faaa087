#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes an environment for ONNX Runtime, OpenVINO and ncnn in build/peers, builds dsmm's side and runs both: bench/peers/run.sh [OPTIONS of
# peers.py]. Needs the network once, for the Python packages.
set -euo pipefail
cd "$(dirname "$0")/../.."
mkdir -p build/peers
if [ ! -x build/peers/env/bin/python ]; then
  python3 -m venv build/peers/env
  build/peers/env/bin/pip install --quiet onnxruntime openvino onnx numpy sympy ncnn pnnx
fi
"${CXX:-g++}" -std=c++20 -O3 -DNDEBUG -ffp-contract=off -Iinclude bench/peers/net.cpp -o build/peers/net -pthread
echo "machine: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2- | xargs), $(nproc) CPUs, commit $(git rev-parse --short HEAD)"
build/peers/env/bin/python bench/peers/peers.py build/peers/net "$@"
