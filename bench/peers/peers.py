#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Networks and layers in ONNX Runtime, OpenVINO (whose CPU plugin runs oneDNN) and dsmm, in one run: the same integers go into both, outputs are compared
first, then runs alternate. peers.py NET_PROGRAM [--threads 1,2] [--only NAME] [--rounds 7]

The peers get f32, and int8 as QDQ: u8 activations, s8 weights per channel, biases of scale x * w. dsmm gets the
same weights, multiples of 16, as int8 and as four bits. Layers are timed as chains of equal ones, so that quantizing
and transposing at the ends of an ONNX graph weighs little."""
import argparse
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

try:
    import openvino as ov
except ImportError:
    ov = None


class Net:
    """Lists operators for both sides; a value is (index, channels, height, scale, zero point)."""

    def __init__(self, name, size, channels, seed=1):
        self.name, self.random = name, np.random.default_rng(seed)
        self.lines, self.blob, self.steps = [f"input {size} {size} {channels} {1 / 64} 0"], b"", []
        self.values = [(channels, size, 1 / 64, 0)]
        self.x = self.random.integers(0, 128, (size, size, channels), dtype=np.uint8)

    def conv(self, x, out, k, stride=1, relu=True, kind="conv"):
        c, size, x_scale, _ = self.values[x]
        pad, size_out = k // 2, (size + stride - 1) // stride
        depth = k * k * (1 if kind == "dwconv" else c)
        w = self.random.integers(-7, 8, (out, k, k, 1 if kind == "dwconv" else c)).astype(np.int8) * np.int8(16)
        bias = self.random.integers(-2000, 2000, out).astype(np.int32)
        scale = (self.random.uniform(0.7, 1.3, out) / (50 * np.sqrt(depth))).astype(np.float32)
        y_scale, y_zero = (1 / 64, 0) if relu else (1 / 64, 128)
        self.lines.append(f"{kind} {x} {k} {stride} {pad} {size_out} {size_out} {out} {int(relu)} {y_scale} {y_zero}")
        self.blob += w.tobytes() + bias.tobytes() + scale.tobytes()
        self.steps.append((kind, x, k, stride, pad, w, bias, scale, relu))
        self.values.append((out, size_out, y_scale, y_zero))
        return len(self.values) - 1

    def add(self, a, b, relu):
        c, size, _, _ = self.values[a]
        y_scale, y_zero = (1.4 / 64, 0) if relu else (1.4 / 64, 128)
        self.lines.append(f"add {a} {b} {int(relu)} {y_scale} {y_zero}")
        self.steps.append(("add", a, b, relu))
        self.values.append((c, size, y_scale, y_zero))
        return len(self.values) - 1

    def pool(self, x, kind, k, stride, pad, size_out):
        c, _, scale, zero = self.values[x]
        self.lines.append(f"{kind} {x} {k} {stride} {pad} {size_out} {size_out} {scale} {zero}")
        self.steps.append((kind, x, k, stride, pad))
        self.values.append((c, size_out, scale, zero))
        return len(self.values) - 1

    def onnx(self, quantized):
        """The network as ONNX: QDQ around every operator, or plain f32."""
        nodes, constants, names = [], [], ["x"]

        def const(array, name):
            constants.append(numpy_helper.from_array(array, name))
            return name

        def dequantized(i, tag):
            if not quantized:
                return names[i]
            _, _, scale, zero = self.values[i]
            s, z = const(np.float32(scale), f"s{tag}"), const(np.uint8(zero), f"z{tag}")
            nodes.append(helper.make_node("DequantizeLinear", [names[i], s, z], [f"d{tag}"]))
            return f"d{tag}"

        for n, step in enumerate(self.steps):
            out, relu = f"f{n}", False
            if step[0] in ("conv", "dwconv"):
                kind, x, k, stride, pad, w, bias, scale, relu = step
                c, _, x_scale, _ = self.values[x]
                oihw = np.ascontiguousarray(w.transpose(0, 3, 1, 2))
                if quantized:
                    ws, wz = const(scale, f"ws{n}"), const(np.zeros(len(scale), np.int8), f"wz{n}")
                    nodes.append(helper.make_node("DequantizeLinear", [const(oihw, f"w{n}"), ws, wz], [f"wd{n}"], axis=0))
                    bs = const((scale * np.float32(x_scale)).astype(np.float32), f"bs{n}")
                    bz = const(np.zeros(len(scale), np.int32), f"bz{n}")
                    nodes.append(helper.make_node("DequantizeLinear", [const(bias, f"b{n}"), bs, bz], [f"bd{n}"], axis=0))
                    weights = [f"wd{n}", f"bd{n}"]
                else:
                    weights = [const(oihw.astype(np.float32) * scale[:, None, None, None], f"w{n}"),
                               const((bias * scale * np.float32(x_scale)).astype(np.float32), f"b{n}")]
                nodes.append(helper.make_node("Conv", [dequantized(x, f"{n}_0"), *weights], [out], pads=[pad] * 4,
                                              strides=[stride] * 2, kernel_shape=[k, k],
                                              group=c if kind == "dwconv" else 1))
            elif step[0] == "add":
                _, a, b, relu = step
                nodes.append(helper.make_node("Add", [dequantized(a, f"{n}_0"), dequantized(b, f"{n}_1")], [out]))
            elif step[0] == "max_pool":
                _, x, k, stride, pad = step
                nodes.append(helper.make_node("MaxPool", [dequantized(x, f"{n}_0")], [out], kernel_shape=[k, k],
                                              strides=[stride] * 2, pads=[pad] * 4))
            else:
                nodes.append(helper.make_node("GlobalAveragePool", [dequantized(step[1], f"{n}_0")], [out]))
            if relu:
                nodes.append(helper.make_node("Relu", [out], [f"r{n}"]))
                out = f"r{n}"
            if quantized:
                _, _, scale, zero = self.values[n + 1]
                s, z = const(np.float32(scale), f"qs{n}"), const(np.uint8(zero), f"qz{n}")
                nodes.append(helper.make_node("QuantizeLinear", [out, s, z], [f"q{n}"]))
                out = f"q{n}"
            names.append(out)
        kind = TensorProto.UINT8 if quantized else TensorProto.FLOAT
        c, size, _, _ = self.values[0]
        oc, osize, _, _ = self.values[-1]
        graph = helper.make_graph(nodes, self.name, [helper.make_tensor_value_info("x", kind, [1, c, size, size])],
                                  [helper.make_tensor_value_info(names[-1], kind, [1, oc, osize, osize])], constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()


def resnet18():
    n = Net("ResNet-18", 224, 3)
    x = n.pool(n.conv(0, 64, 7, 2), "max_pool", 3, 2, 1, 56)
    for c in (64, 128, 256, 512):
        for block in range(2):
            stride = 2 if c != 64 and block == 0 else 1
            y = n.conv(n.conv(x, c, 3, stride), c, 3, relu=False)
            shortcut = n.conv(x, c, 1, 2, relu=False) if stride == 2 else x
            x = n.add(y, shortcut, True)
    n.pool(x, "avg_pool", 0, 1, 0, 1)
    return n


def mobilenet_v2():
    n = Net("MobileNetV2", 224, 3)
    x = n.conv(n.conv(n.conv(0, 32, 3, 2), 32, 3, kind="dwconv"), 16, 1, relu=False)
    for t, c, count, s in ((6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for i in range(count):
            wide = n.values[x][0] * t
            y = n.conv(n.conv(n.conv(x, wide, 1), wide, 3, s if i == 0 else 1, kind="dwconv"), c, 1, relu=False)
            x = n.add(x, y, False) if i > 0 else y
    n.pool(n.conv(x, 1280, 1), "avg_pool", 0, 1, 0, 1)
    return n


def chain(name, size, c, k, count=8, kind="conv"):
    n = Net(f"{count} x {name}", size, c)
    for _ in range(count):
        x = n.conv(len(n.values) - 1, c, k, kind=kind)
    return n


NETS = [resnet18, mobilenet_v2,
        lambda: chain("3x3 64 @56", 56, 64, 3), lambda: chain("3x3 128 @28", 28, 128, 3),
        lambda: chain("3x3 256 @14", 14, 256, 3), lambda: chain("3x3 512 @7", 7, 512, 3),
        lambda: chain("1x1 256 @14", 14, 256, 1), lambda: chain("depthwise 3x3 64 @112", 112, 64, 3, kind="dwconv"),
        lambda: chain("depthwise 3x3 576 @14", 14, 576, 3, kind="dwconv")]


def ort_session(model, threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def best(run, span, threads):
    """Microseconds of the shortest run: wall time; of one thread processor time, as on dsmm's side."""
    clock = time.process_time if threads == 1 else time.perf_counter
    least, end = 1e9, clock() + span
    while clock() < end:
        start = clock()
        run()
        least = min(least, clock() - start)
    return least * 1e6


def openvino_run(model, x, threads):
    """A function that runs the model once in OpenVINO, and one that gives its output; None where it is missing."""
    if ov is None:
        return None
    settings = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_PRECISION_HINT": "f32"}
    core = ov.Core()
    request = core.compile_model(core.read_model(model), "CPU", settings).create_infer_request()
    request.set_input_tensor(ov.Tensor(x))
    return request.infer, lambda: request.get_output_tensor().data[0].transpose(1, 2, 0).astype(np.int32)


def bound(session, x):
    """Runs without copies of names and values: input and output are bound once."""
    binding = session.io_binding()
    value = ort.OrtValue.ortvalue_from_numpy(x)
    binding.bind_ortvalue_input("x", value)
    binding.bind_output(session.get_outputs()[0].name)
    return binding, (lambda: session.run_with_iobinding(binding))


def compare(net, program, threads, rounds):
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "net.txt").write_text("\n".join(net.lines))
    (folder / "weights.bin").write_bytes(net.blob)
    (folder / "x.bin").write_bytes(net.x.tobytes())
    nchw = np.ascontiguousarray(net.x.transpose(2, 0, 1)[None])
    real = nchw.astype(np.float32) / np.float32(64)
    int8, f32 = net.onnx(True), net.onnx(False)
    int8_binding, run_int8 = bound(ort_session(int8, threads), nchw)
    _, run_f32 = bound(ort_session(f32, threads), real)
    openvino = {"f32": openvino_run(f32, real, threads), "int8": openvino_run(int8, nchw, threads)}
    dsmm = {bits: subprocess.Popen([program, folder / "net.txt", folder / "weights.bin", folder / "x.bin", str(threads),
                                    str(bits)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for bits in (8, 4)}

    def ask(bits, line):
        dsmm[bits].stdin.write(line + "\n")
        dsmm[bits].stdin.flush()
        return dsmm[bits].stdout.readline().strip()

    run_int8()
    expected = int8_binding.copy_outputs_to_cpu()[0][0].transpose(1, 2, 0).astype(np.int32)
    outputs = {}
    for bits in (8, 4):
        ask(bits, f"write {folder / 'y.bin'}")
        outputs[bits] = np.frombuffer((folder / "y.bin").read_bytes(), np.uint8).reshape(expected.shape).astype(np.int32)
    assert np.array_equal(outputs[8], outputs[4]), "int8 and four-bit weights disagree"
    off = np.abs(outputs[8] - expected)
    if openvino["int8"]:
        openvino["int8"][0]()
        apart = np.abs(openvino["int8"][1]() - expected)
        assert np.median(apart) <= 1, f"OpenVINO computes something else: differences up to {apart.max()}"
    times = {name: [] for name in ("ort f32", "openvino f32", "ort int8", "openvino int8", "dsmm int8", "dsmm int4")}
    for _ in range(rounds):
        times["ort f32"].append(best(run_f32, 0.15, threads))
        times["dsmm int8"].append(float(ask(8, "time 0.15")))
        times["ort int8"].append(best(run_int8, 0.15, threads))
        for kind in ("f32", "int8"):
            times[f"openvino {kind}"].append(best(openvino[kind][0], 0.15, threads) if openvino[kind] else np.inf)
        times["dsmm int4"].append(float(ask(4, "time 0.15")))
    for p in dsmm.values():
        p.stdin.close()
        p.wait()
    ratios = [min(a, b) / d for a, b, d in zip(times["ort int8"], times["openvino int8"], times["dsmm int4"])]
    cells = " | ".join(f"{min(v):.0f}" for v in times.values())
    print(f"| {net.name}, {threads}T | {cells} | {np.median(ratios):.2f} ({min(ratios):.2f} .. {max(ratios):.2f}) | "
          f"mean {off.mean():.3f}, max {off.max()}, std {expected.std():.0f} |", flush=True)


ONE_RUN = """
import sys, numpy as np
kind, path, shape = sys.argv[1], sys.argv[2], [int(d) for d in sys.argv[3].split(',')]
x = np.zeros(shape, np.uint8 if 'int8' in kind else np.float32)
if kind.startswith('ort'):
    import onnxruntime as ort
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    ort.InferenceSession(path, options).run(None, {'x': x})
elif kind.startswith('openvino'):
    import openvino as ov
    core = ov.Core()
    core.compile_model(core.read_model(path), 'CPU', {'INFERENCE_NUM_THREADS': 1}).create_infer_request().infer([x])
print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')))
"""


def peak_mb(command):
    """Largest resident memory of a process that prints its own /proc/self/status line, MB."""
    line = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return int(line.split()[1]) / 1024


def memory(net, program):
    """Peak memory of a process that loads one network and runs it once, less that of Python and numpy for the peers."""
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "net.txt").write_text("\n".join(net.lines))
    (folder / "weights.bin").write_bytes(net.blob)
    (folder / "x.bin").write_bytes(net.x.tobytes())
    shape = "1," + ",".join(str(d) for d in net.x.transpose(2, 0, 1).shape)
    peer = lambda kind, path: peak_mb([sys.executable, "-c", ONE_RUN, kind, path, shape])
    bare = peer("none", "none")
    cells = []
    for kind in ("ort f32", "ort int8") + (("openvino f32", "openvino int8") if ov else ()):
        path = folder / f"{kind}.onnx"
        path.write_bytes(net.onnx("int8" in kind))
        cells.append(f"{kind} {peer(kind, path) - bare:.0f} MB")
    for bits in (8, 4):
        files = [folder / f for f in ("net.txt", "weights.bin", "x.bin")]
        subprocess.run([program, *files, "1", str(bits)], input=f"save {folder}/net.dsmm\n", text=True, check=True,
                       capture_output=True)
        cells.append(f"dsmm int{bits} {peak_mb([program, folder / 'net.dsmm']):.1f} MB")
    print(f"{net.name}, peak memory: " + ", ".join(cells), flush=True)


def matmul(rows, size, threads, rounds):
    """MatMulNBits of blocks of 128, accuracy level 4, beside the f32 product of the same weights."""
    random = np.random.default_rng(2)
    nibbles = random.integers(0, 256, (size, size // 128, 64), dtype=np.uint8)
    scales = np.full(size * size // 128, 0.01, np.float32)
    x = random.standard_normal((rows, size)).astype(np.float32)
    node = helper.make_node("MatMulNBits", ["x", "b", "s"], ["y"], domain="com.microsoft", K=size, N=size, bits=4,
                            block_size=128, accuracy_level=4)
    graph = helper.make_graph([node], "m", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, size])],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, size])],
                              [numpy_helper.from_array(nibbles, "b"), numpy_helper.from_array(scales, "s")])
    model = helper.make_model(graph, ir_version=9, opset_imports=[helper.make_opsetid("", 17),
                                                                 helper.make_opsetid("com.microsoft", 1)])
    session = ort_session(model.SerializeToString(), threads)
    low, high = nibbles.reshape(size, -1) & 15, nibbles.reshape(size, -1) >> 4
    w = (np.stack([low, high], -1).reshape(size, size).astype(np.float32) - 8) * 0.01
    y = session.run(None, {"x": x})[0]
    error = np.abs(y - x @ w.T).mean() / np.abs(y).mean()
    _, run = bound(session, x)
    print(f"| MatMulNBits {size}x{size}, {rows} rows, {threads}T | {min(best(run, 0.15, threads) for _ in range(rounds)):.0f} us, "
          f"relative error {error:.3f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--only", default="")
    parser.add_argument("--rounds", type=int, default=7)
    a = parser.parse_args()
    for build in (resnet18, mobilenet_v2):
        if a.only in build().name:
            memory(build(), a.program)
    print(f"ONNX Runtime {ort.__version__}, OpenVINO {ov.__version__ if ov else 'missing'}; microseconds, best of "
          f"{a.rounds} interleaved rounds of 0.15 s; the ratio is the faster int8 peer / dsmm four bits, median and range "
          "of rounds; outputs are u8, dsmm against ONNX Runtime int8")
    print("| network | ONNX Runtime f32 | OpenVINO f32 | ONNX Runtime int8 | OpenVINO int8 | dsmm int8 | dsmm int4 | ratio | "
          "difference |")
    print("|---|---|---|---|---|---|---|---|---|")
    for threads in (int(t) for t in a.threads.split(",")):
        for build in NETS:
            net = build()
            if a.only in net.name:
                compare(net, a.program, threads, a.rounds)
        for rows in (1, 8, 512):
            if a.only in "MatMulNBits":
                matmul(rows, 4096, threads, a.rounds)


if __name__ == "__main__":
    main()
