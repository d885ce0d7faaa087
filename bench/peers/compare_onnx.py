#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Imports ONNX models with dsmm, runs them on random inputs, and compares every output with ONNX Runtime's.

usage: compare_onnx.py DSMM MODEL.onnx... [--shape MODEL:NAME=1x3x320x320] [--limit 1e-4] [--seed 7]

Needs onnxruntime, onnx and numpy from PyPI. Prints one line per model: the largest error relative to the largest absolute
value of the output, or to 0.01 if all of it is smaller (ONNX Runtime's own sigmoid is off by 1e-7). Exit status 1 if a model does not import or is off by more than the limit.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnxruntime

from onnx_peer import shapes_of


def random_input(rng, kind, dims):
    if kind == "tensor(float)":
        return rng.standard_normal(dims).astype(np.float32)
    if kind == "tensor(double)":
        return rng.standard_normal(dims)
    if kind == "tensor(float16)":
        return rng.standard_normal(dims).astype(np.float16)
    if kind == "tensor(bool)":
        return rng.integers(0, 2, dims).astype(bool)
    types = {"tensor(int64)": np.int64, "tensor(int32)": np.int32, "tensor(uint8)": np.uint8, "tensor(int8)": np.int8}
    return rng.integers(0, 10, dims).astype(types[kind])


def run(arguments):
    return subprocess.run(arguments, capture_output=True, text=True)


def compare(dsmm, path, shapes, seed, folder):
    quiet = onnxruntime.SessionOptions()
    quiet.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), quiet, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(seed)
    feeds, options = {}, []
    for i in session.get_inputs():
        dims = shapes.get(i.name) or [d if isinstance(d, int) else 1 for d in i.shape]
        feeds[i.name] = random_input(rng, i.type, dims)
        if any(not isinstance(d, int) for d in i.shape):
            options += ["--shape", f"{i.name}={'x'.join(map(str, dims))}"]
    expected = session.run(None, feeds)
    model = folder / "model.dsmm"
    start = time.perf_counter()
    done = run([dsmm, "import", str(path), "-o", str(model), *options])
    seconds = time.perf_counter() - start
    if done.returncode:
        return None, done.stderr.strip()
    command = [dsmm, "run", str(model), "-o", str(folder / "out")]
    for number, (name, value) in enumerate(feeds.items()):
        np.save(folder / f"{number}.npy", value)
        command += ["--input", f"{name}={folder}/{number}.npy"]
    start = time.perf_counter()
    done = run(command)
    run_seconds = time.perf_counter() - start
    if done.returncode:
        return None, done.stderr.strip()
    worst = 0.0
    for output, wanted in zip(session.get_outputs(), expected):
        got = np.load(folder / "out" / (output.name.replace("/", "_") + ".npy"))
        if got.shape != wanted.shape or got.dtype != wanted.dtype:
            return None, f"{output.name}: {got.dtype} {got.shape}, not {wanted.dtype} {wanted.shape}"
        if wanted.size == 0:
            continue
        if not np.array_equal(np.isfinite(got), np.isfinite(wanted)):
            return None, f"{output.name}: infinities or NaN differ"
        difference = np.abs(np.where(np.isfinite(wanted), got.astype(np.float64) - wanted.astype(np.float64), 0))
        worst = max(worst, float(difference.max() / max(np.abs(wanted[np.isfinite(wanted)]).max(initial=0), 1e-2)))
    return worst, f"import {seconds:.2f} s, process {run_seconds:.2f} s, {len(expected)} outputs"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsmm")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--shape", action="append", default=[])
    parser.add_argument("--limit", type=float, default=1e-4)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    failed = 0
    for path in arguments.models:
        shapes = shapes_of(path, arguments.shape)
        with tempfile.TemporaryDirectory() as folder:
            try:
                worst, text = compare(arguments.dsmm, path, shapes, arguments.seed, pathlib.Path(folder))
            except Exception as error:  # the peer refuses the model: say so, go on
                worst, text = None, f"peer: {error}".splitlines()[0]
        good = worst is not None and worst <= arguments.limit
        failed += not good
        print(f"{'ok ' if good else 'BAD'} {path.name:40s} {'-' if worst is None else f'{worst:.2e}':>9s}  {text}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
