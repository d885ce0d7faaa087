#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How often quantized classifiers agree with fp32 on pictures: dsmm beside ONNX Runtime's static quantization (QDQ, u8
activations, s8 weights per channel) and OpenVINO running those files. All calibrate and are judged on the same arrays.

usage: agreement.py DSMM MODEL.onnx --calibration DIR --pictures DIR [--samples 64] [--count 600] [--mean 104,117,123]
                    [--std 1] [--bgr] [--methods MinMax,Entropy] [--weights int8,int4] [--file LABEL=FILE.dsmm ...]

Per row: the same first class, the mean Kullback-Leibler divergence of the probabilities, SQNR of the first output.
--file judges files that are there already. Needs onnxruntime, onnx, numpy and Pillow; openvino where it is installed.
"""
import argparse
import pathlib
import tempfile

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from detectors import pictures
from files import openvino_run, ov, sqnr, static_shapes
from onnx_peer import Samples, ort_session, tool

CHUNK = 100  # pictures that a run of the tool gets at once


def probabilities(y):
    """Rows of (N, classes); logits go through the softmax, and what sums to one stays."""
    if np.allclose(y.sum(1), 1, atol=1e-3) and y.min() >= 0:
        return y
    e = np.exp(y - y.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def report(label, got, real, size):
    p, q = (np.clip(probabilities(y.astype(np.float64)), 1e-12, 1) for y in (real, got))
    same = 100 * np.mean(got.argmax(1) == real.argmax(1))
    divergence = np.mean((p * np.log(p / q)).sum(1))
    print(f"{label:34} {same:5.1f} % same first class, KL {divergence:.4f}, {sqnr([got], [real]):5.1f} dB, {size} bytes",
          flush=True)


def run_ort(path, arrays):
    session = ort_session(path, 2)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: x[None]})[0].reshape(1, -1) for x in arrays])


def run_openvino(path, name, arrays):
    infer = openvino_run(path, {name: arrays[:1]}, 2)
    return np.concatenate([next(iter(infer({name: x[None]}).values())).reshape(1, -1).copy() for x in arrays])


def run_dsmm(dsmm, model, port, arrays, folder):
    rows = []
    for first in range(0, len(arrays), CHUNK):
        np.save(folder / "in.npy", arrays[first:first + CHUNK, None])
        tool(dsmm, "run", model, "--input", f"{port[0]}={folder / 'in.npy'}", "-o", folder / "out")
        rows.append(np.load(folder / "out" / (port[1].replace("/", "_") + ".npy")).reshape(-1, port[2]))
    return np.concatenate(rows)


def peers(a, path, name, samples, arrays, real, folder):
    prepared = folder / "prepared.onnx"
    quant_pre_process(str(path), str(prepared))
    model = onnx.load(prepared)
    for number, node in enumerate(model.graph.node):
        node.name = f"n{number}"  # nodes are left out by name, and names may be missing
    onnx.save(model, prepared)
    softmax = [n.name for n in model.graph.node if n.op_type == "Softmax"]  # in u8 most classes tie
    for method in filter(None, a.methods.split(",")):
        made = folder / f"{method}.onnx"
        quantize_static(str(prepared), str(made), Samples({name: x[None]} for x in samples),
                        quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                        per_channel=True, nodes_to_exclude=softmax, calibrate_method=CalibrationMethod[method])
        report(f"ONNX Runtime int8, {method}", run_ort(made, arrays), real, made.stat().st_size)
        if ov is not None:
            report(f"OpenVINO, the same file, {method}", run_openvino(made, name, arrays), real, made.stat().st_size)


def ours(a, path, port, samples, arrays, real, folder):
    dsmm = a.dsmm.resolve()
    judged = dict(text.split("=", 1) for text in a.file)
    calibration = folder / "calibration"
    calibration.mkdir()
    for i, x in enumerate(samples):
        np.save(calibration / f"{i:04}.npy", x[None])
    tool(dsmm, "import", path, "-o", folder / "fp32.dsmm")
    for weights in filter(None, a.weights.split(",")):
        made = judged[f"dsmm {weights}"] = folder / f"{weights}.dsmm"
        tool(dsmm, "quantize", folder / "fp32.dsmm", "-c", calibration, "-o", made, "--weights", weights, "--samples",
             len(samples), *a.quantize.split())
    for label, file in judged.items():
        report(label, run_dsmm(dsmm, file, port, arrays, folder), real, pathlib.Path(file).stat().st_size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsmm", type=pathlib.Path)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--calibration", type=pathlib.Path, required=True)
    parser.add_argument("--pictures", type=pathlib.Path, required=True)
    parser.add_argument("--samples", type=int, default=64)
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--mean", default="0")
    parser.add_argument("--std", default="1")
    parser.add_argument("--bgr", action="store_true")
    parser.add_argument("--methods", default="MinMax,Entropy")
    parser.add_argument("--weights", default="int8,int4")
    parser.add_argument("--quantize", default="", help="more options of dsmm quantize, e.g. '--method output'")
    parser.add_argument("--file", action="append", default=[])
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        path = static_shapes(a.model, {}, folder)
        session = ort_session(path, 1)
        source = session.get_inputs()[0]
        mean, std = (np.array([float(v) for v in text.split(",")], np.float32) for text in (a.mean, a.std))
        samples, arrays = (pictures(d, n, source.shape, mean, std, a.bgr)
                           for d, n in ((a.calibration, a.samples), (a.pictures, a.count)))
        real = run_ort(path, arrays)
        port = (source.name, session.get_outputs()[0].name, real.shape[1])
        ours(a, path, port, samples, arrays, real, folder)
        peers(a, path, source.name, samples, arrays, real, folder)


if __name__ == "__main__":
    main()
