#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""ONNX files the whole way, beside ONNX Runtime, OpenVINO and ncnn in one run: f32 as exported, and int8 as ONNX Runtime's
quantize_static makes it (QDQ, u8 activations, s8 weights per channel). dsmm imports the f32 file, quantizes it itself to
int8 and int4, and imports the peer's QDQ file too.

usage: files.py DSMM MODEL.onnx... [--threads 1] [--rounds 5] [--shape MODEL:NAME=1x3x320x320] [--span 0.3]
                [--file LABEL=FILE.dsmm ...]

--file times files that are there already, of one model, in the same rounds.

Needs onnxruntime, onnx and sympy from PyPI; openvino, and ncnn with pnnx (f32 only), are peers where they are installed:
build/peers/env, which run.sh makes, has them all.
Microseconds, median of the runs of a round, best round; rounds of all programs alternate. SQNR: noise of all outputs
against ONNX Runtime f32, on an input that calibration did not see. Inputs are random: time does not depend on them.
"""
import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
import onnx
import onnx.version_converter
import onnxruntime as ort
from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from onnx_peer import Samples, bound, median_us, ort_session, shapes_of, tool

try:
    import openvino as ov
except ImportError:
    ov = None
try:
    import ncnn
    import pnnx
except ImportError:
    ncnn = None

CALIBRATION = 6


def static_shapes(path, shapes, folder):
    """The model with every input's shape fixed, which quantization and OpenVINO want."""
    model = onnx.load(path)
    if model.opset_import[0].version < 13:  # scales per channel came with 13
        model = onnx.version_converter.convert_version(model, 13)
    constants = {c.name for c in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        wanted = shapes.get(value.name) or [d.dim_value or 1 for d in dims]
        for d, n in zip(dims, wanted):
            d.Clear()
            d.dim_value = n
    fixed = folder / "fixed.onnx"
    onnx.save(model, fixed)
    return fixed


def openvino_run(path, feeds, threads):
    core = ov.Core()
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "f32"}
    request = core.compile_model(core.read_model(path), "CPU", settings).create_infer_request()
    for name, value in feeds.items():
        request.set_tensor(name, ov.Tensor(value))
    return request.infer


def ncnn_run(path, feeds, folder, threads):
    """None where its converter does not take the model, or where it has several inputs."""
    if ncnn is None or len(feeds) != 1:
        return None
    (value,) = feeds.values()
    copy = folder / "for_ncnn.onnx"
    copy.write_bytes(path.read_bytes())
    shape = "[" + ",".join(map(str, value.shape)) + "]"
    subprocess.run([pnnx.EXEC_PATH, copy, f"inputshape={shape}", "fp16=0"], cwd=folder, capture_output=True)
    files = [folder / f"for_ncnn.ncnn.{kind}" for kind in ("param", "bin")]
    if not all(f.exists() for f in files):
        return None
    net = ncnn.Net()
    net.opt.num_threads, net.opt.use_vulkan_compute = threads, False
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    if net.load_param(str(files[0])) != 0 or net.load_model(str(files[1])) != 0 or len(net.input_names()) != 1:
        return None
    x = ncnn.Mat(np.ascontiguousarray(value[0]))

    def run():
        extractor = net.create_extractor()
        extractor.input(net.input_names()[0], x)
        if extractor.extract(net.output_names()[0])[0] != 0:
            raise RuntimeError("ncnn does not run the model")

    return run


def sqnr(outputs, real):
    signal = sum(float((r.astype(np.float64) ** 2).sum()) for r in real)
    noise = sum(float(((o.astype(np.float64) - r) ** 2).sum()) for o, r in zip(outputs, real))
    return 10 * np.log10(signal / max(noise, 1e-30))


class Dsmm:
    """The command-line tool's side of one model."""

    def __init__(self, program, folder, names):
        self.program, self.folder, self.names, self.files = program, folder, names, {}

    def add(self, kind, *arguments):
        path = self.folder / f"{kind}.dsmm"
        try:
            tool(self.program, *arguments, "-o", path)
            self.files[kind] = path
        except RuntimeError as error:
            print(f"  dsmm {kind}: {error}", flush=True)

    def outputs(self, kind, feeds):
        command = [self.program, "run", self.files[kind], "-o", self.folder / f"out_{kind}"]
        for number, (name, value) in enumerate(feeds.items()):
            np.save(self.folder / f"in_{number}.npy", value)
            command += ["--input", f"{name}={self.folder}/in_{number}.npy"]
        tool(*command)
        return [np.load(self.folder / f"out_{kind}" / (n.replace("/", "_") + ".npy")) for n in self.names]

    def time(self, kind, threads, span):
        out = json.loads(tool(self.program, "bench", self.files[kind], "--threads", threads, "--seconds", span, "--json"))
        return out["models"][0]["latency_us"]["p50"]


def spread(ratios):
    return f"{np.median(ratios):.2f} ({ratios.min():.2f} .. {ratios.max():.2f})"


def compare(a, path, shapes, folder):
    fixed = static_shapes(path, shapes, folder)
    plain = ort_session(fixed, a.threads)
    rng = np.random.default_rng(3)
    draw = lambda: {i.name: rng.standard_normal(i.shape).astype(np.float32) for i in plain.get_inputs()}
    feeds, calibration = draw(), [draw() for _ in range(CALIBRATION)]
    prepared, qdq = folder / "prepared.onnx", folder / "qdq.onnx"
    try:
        quant_pre_process(str(fixed), str(prepared), skip_symbolic_shape=True)
    except Exception:  # its shape inference gives up on some graphs; quantization does not need it
        prepared = fixed
    quantize_static(str(prepared), str(qdq), Samples(calibration), quant_format=QuantFormat.QDQ, per_channel=True,
                    activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
    names = [o.name for o in plain.get_outputs()]
    real = plain.run(names, feeds)
    samples = folder / "samples"
    samples.mkdir()
    for name in feeds:
        for number, sample in enumerate(calibration):
            several = len(feeds) > 1
            np.save(samples / (f"{name}_{number + 1}.npy" if several else f"{number}.npy"), sample[name])
    dsmm = Dsmm(a.dsmm, folder, names)
    dsmm.add("f32", "import", fixed)
    start = time.perf_counter()
    for bits in ("int8", "int4"):
        dsmm.add(bits, "quantize", folder / "f32.dsmm", "--calibration", samples, "--weights", bits, "--max-loss", 100)
    seconds = (time.perf_counter() - start) / 2
    dsmm.add("qdq", "import", qdq)
    runs = {"ort f32": bound(plain, feeds)}
    quality = {}
    int8 = ort_session(qdq, a.threads)
    quality["ort int8"] = sqnr(int8.run(names, feeds), real)
    runs["ort int8"] = bound(int8, feeds)
    if ov:
        runs["ov f32"], runs["ov int8"] = (openvino_run(p, feeds, a.threads) for p in (fixed, qdq))
    if by_ncnn := ncnn_run(fixed, feeds, folder, a.threads):
        runs["ncnn f32"] = by_ncnn
    for kind in dsmm.files:
        quality[f"dsmm {kind}"] = sqnr(dsmm.outputs(kind, feeds), real)
    made = dict(text.split("=", 1) for text in a.file)
    dsmm.files.update((label, pathlib.Path(file).resolve()) for label, file in made.items())
    times = {}
    for _ in range(a.rounds):
        for kind in dsmm.files:
            times.setdefault(f"dsmm {kind}", []).append(dsmm.time(kind, a.threads, a.span))
        for name, run in runs.items():
            times.setdefault(name, []).append(median_us(run, a.span))
    cells = [f"{min(times[k]):.0f}" if k in times else "-" for k in
             ("ort f32", "ov f32", "ncnn f32", "dsmm f32", "ort int8", "ov int8", "dsmm qdq", "dsmm int8", "dsmm int4")]
    peer = np.minimum(times["ort int8"], times.get("ov int8", np.inf))
    ours = times.get("dsmm int4") or times.get("dsmm int8") or times["dsmm f32"]
    ratios = peer / np.array(ours)
    f32 = np.minimum(times["ort f32"], np.minimum(times.get("ov f32", np.inf), times.get("ncnn f32", np.inf)))
    floats, gain = f32 / np.array(times["dsmm f32"]), f32 / np.array(ours)
    decibels = ", ".join(f"{k} {v:.1f}" for k, v in quality.items() if k != "dsmm f32")
    print(f"| {path.stem}, {a.threads}T | {' | '.join(cells)} | {spread(floats)} | {spread(gain)} | "
          f"{spread(ratios)} | {decibels}; quantize {seconds:.1f} s |", flush=True)
    for label in made:
        mine = times[f"dsmm {label}"]
        print(f"  {label}: {min(mine):.0f}, faster int8 peer / it {spread(peer / np.array(mine))}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsmm")
    parser.add_argument("models", nargs="+", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--span", type=float, default=0.3)
    parser.add_argument("--shape", action="append", default=[])
    parser.add_argument("--file", action="append", default=[])
    a = parser.parse_args()
    print(f"ONNX Runtime {ort.__version__}, OpenVINO {ov.__version__ if ov else 'missing'}")
    print("| network | ORT f32 | OpenVINO f32 | ncnn f32 | dsmm f32 | ORT int8 | OpenVINO int8 | dsmm of the QDQ file | "
          "dsmm int8 | dsmm int4 | fastest f32 peer / dsmm f32 | fastest f32 peer / dsmm int4 | "
          "faster int8 peer / dsmm int4 | SQNR, dB |")
    print("|---|---|---|---|---|---|---|---|---|---|---|---|---|---|")
    for path in a.models:
        shapes = shapes_of(path, a.shape)
        with tempfile.TemporaryDirectory() as folder:
            try:
                compare(a, path, shapes, pathlib.Path(folder))
            except Exception as error:
                print(f"| {path.stem} | {type(error).__name__}: {str(error).splitlines()[0]} |", flush=True)


if __name__ == "__main__":
    main()
