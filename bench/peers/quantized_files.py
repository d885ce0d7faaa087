#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files as onnxruntime.quantization writes them, run by dsmm and by ONNX Runtime: the same answer, on which kernels, how fast.

usage: quantized_files.py DSMM MODEL.onnx... [--kinds qdq dynamic nbits] [--threads 1] [--rounds 5] [--span 0.3]
       quantized_files.py DSMM --products [--rows 1 8 512] [--size 4096]

qdq      quantize_static: QDQ, u8 activations, s8 weights per channel
dynamic  quantize_dynamic: DynamicQuantizeLinear with MatMulInteger (s8 weights) or, where the model has convolutions,
         ConvInteger (u8 weights: ONNX Runtime has no other)
nbits    MatMulNBits: 4 bits, blocks of 32, with zero points
--products takes one MatMulNBits and one MatMulInteger of SIZE x SIZE instead of models.

Difference: the largest of all outputs on an input that calibration did not see, in steps of 1/255 of that output's range.
Microseconds: median of the runs of a round, best round; rounds of both programs alternate, and the ratio is that of the
best rounds. Weights and inputs are random, so differences show arithmetic and not accuracy.
"""
import argparse
import collections
import json
import logging
import pathlib
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper, version_converter
from onnxruntime.quantization import QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.quantization.shape_inference import quant_pre_process

from onnx_peer import Samples, bound, median_us, ort_session, tool

KINDS = ("qdq", "dynamic", "nbits")


def fixed(path, folder):
    """The model with every open dimension set to 1, of an operator set that has scales per channel."""
    model = onnx.load(path)
    if all(o.version < 13 for o in model.opset_import if o.domain in ("", "ai.onnx")):
        model = version_converter.convert_version(model, 13)
    constants = {c.name for c in model.graph.initializer}
    for value in model.graph.input:
        if value.name not in constants:
            for d in value.type.tensor_type.shape.dim:
                if not d.dim_value:
                    d.dim_value = 1
    out = folder / "fixed.onnx"
    onnx.save(model, out)
    return out


def prepared(path, folder):
    out = folder / "prepared.onnx"
    try:
        quant_pre_process(str(path), str(out), skip_symbolic_shape=True)
    except Exception:  # its shape inference gives up on some graphs; quantization does not need it
        return path
    return out


def quantized(kind, path, calibration, folder):
    out = folder / f"{kind}.onnx"
    operators = {n.op_type for n in onnx.load(path).graph.node}
    if kind == "qdq":
        quantize_static(str(path), str(out), Samples(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
                        activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    elif kind == "dynamic":
        quantize_dynamic(str(path), str(out), weight_type=QuantType.QUInt8 if "Conv" in operators else QuantType.QInt8)
    else:
        if not operators & {"MatMul", "Gemm"}:
            return None
        job = MatMulNBitsQuantizer(onnx.load(path), block_size=32, is_symmetric=False)
        job.process()
        job.model.save_model_to_file(str(out))
        if not any(n.op_type == "MatMulNBits" for n in onnx.load(out).graph.node):
            return None
    return out


def random_feeds(run, rng):
    numpy_types = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
    feeds = {}
    for i in run.get_inputs():
        kind = numpy_types[i.type]
        feeds[i.name] = (rng.standard_normal(i.shape) if kind == np.float32 else rng.integers(0, 256, i.shape)).astype(kind)
    return feeds


def kernels(program, path):
    """How many layers of a file run on which kernel, in words."""
    layers = json.loads(tool(program, "check", path, "--json"))["layers"]
    found = collections.Counter(l["kernel"].split(" -> ")[0].removeprefix("nd_") for l in layers)
    return f"{sum(l['integer'] for l in layers)} of {len(layers)}: " + ", ".join(f"{n} {k}" for k, n in found.most_common())


def outputs(program, path, feeds, names, folder):
    command = [program, "run", path, "-o", folder / "out"]
    for number, (name, value) in enumerate(feeds.items()):
        np.save(folder / f"in_{number}.npy", value)
        command += ["--input", f"{name}={folder}/in_{number}.npy"]
    tool(*command)
    return [np.load(folder / "out" / (n.replace("/", "_") + ".npy")) for n in names]


def steps(ours, theirs):
    worst = 0.0
    for a, b in zip(ours, theirs):
        a, b = a.astype(np.float64), b.astype(np.float64)
        span = max(float(b.max() - b.min()), float(np.abs(b).max()), 1e-30)
        difference = np.nan_to_num(np.abs(a - b.reshape(a.shape)), nan=np.inf)
        worst = max(worst, float(difference.max()) / span * 255)
    return worst


def compare(a, label, path, folder):
    """One row: a file, however it was made."""
    peer = ort_session(path, a.threads)
    feeds = random_feeds(peer, np.random.default_rng(3))
    names = [o.name for o in peer.get_outputs()]
    theirs = peer.run(names, feeds)
    ours = folder / "model.dsmm"
    tool(a.dsmm, "import", path, "-o", ours)
    difference = steps(outputs(a.dsmm, ours, feeds, names, folder), theirs)
    run = bound(peer, feeds)
    times = collections.defaultdict(list)
    for _ in range(a.rounds):
        report = json.loads(tool(a.dsmm, "bench", ours, "--threads", a.threads, "--seconds", a.span, "--json"))
        times["dsmm"].append(report["models"][0]["latency_us"]["p50"])
        times["ort"].append(median_us(run, a.span))
    ratio = min(times["ort"]) / min(times["dsmm"])
    print(f"| {label} | {difference:.3g} | {min(times['ort']):.0f} | {min(times['dsmm']):.0f} | {ratio:.2f} | "
          f"{kernels(a.dsmm, path)} |", flush=True)


def products(size, rows, folder):
    """(label, file) of single products."""
    rng = np.random.default_rng(1)
    weights = rng.standard_normal((size, size)).astype(np.float32)
    for m in rows:
        x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [m, size]) for n in "xy")
        node = helper.make_node("MatMul", ["x", "w"], ["y"])
        graph = helper.make_graph([node], "product", [x], [y], [numpy_helper.from_array(weights, "w")])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        plain, small, dynamic = folder / "plain.onnx", folder / "nbits.onnx", folder / "dynamic.onnx"
        onnx.save(model, plain)
        job = MatMulNBitsQuantizer(onnx.load(plain), block_size=32, is_symmetric=False)
        job.process()
        job.model.save_model_to_file(str(small))
        yield f"MatMulNBits, {m} x {size} x {size}", small
        quantize_dynamic(str(plain), str(dynamic), weight_type=QuantType.QInt8)
        yield f"MatMulInteger, {m} x {size} x {size}", dynamic


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsmm")
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--products", action="store_true")
    parser.add_argument("--rows", nargs="+", type=int, default=[1, 8, 512])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--span", type=float, default=0.3)
    a = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"ONNX Runtime {ort.__version__}, {a.threads} threads")
    print("| file | largest difference, steps | ONNX Runtime, us | dsmm, us | ratio | layers on integer kernels, and all of them |")
    print("|---|---|---|---|---|---|")
    if a.products:
        with tempfile.TemporaryDirectory() as name:
            for label, path in products(a.size, a.rows, pathlib.Path(name)):
                compare(a, label, path, pathlib.Path(name))
    for model in a.models:
        for kind in a.kinds:
            with tempfile.TemporaryDirectory() as name:
                folder, label = pathlib.Path(name), f"{model.name.split('.')[0]}, {kind}"
                try:
                    plain = prepared(fixed(model, folder), folder)
                    rng, run = np.random.default_rng(7), ort_session(plain, a.threads)
                    path = quantized(kind, fixed(model, folder) if kind == "nbits" else plain, [random_feeds(run, rng) for _ in range(6)], folder)
                    if path is not None:
                        compare(a, label, path, folder)
                except Exception as error:
                    print(f"| {label} | {type(error).__name__}: {(str(error).splitlines() or [''])[0]} |", flush=True)


if __name__ == "__main__":
    main()
