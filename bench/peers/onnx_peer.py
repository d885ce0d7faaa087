# SPDX-License-Identifier: Apache-2.0
"""What the comparisons with ONNX Runtime share: sessions, timing, the command-line tool, shapes given by hand."""
import subprocess
import time

import numpy as np
import onnxruntime as ort
from onnxruntime.quantization import CalibrationDataReader


class Samples(CalibrationDataReader):
    def __init__(self, feeds):
        self.left = list(feeds)

    def get_next(self):
        return self.left.pop(0) if self.left else None


def ort_session(path, threads):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads, options.log_severity_level = threads, 1, 3
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def bound(session, feeds):
    binding = session.io_binding()
    for name, value in feeds.items():
        binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(value))
    for output in session.get_outputs():
        binding.bind_output(output.name)
    return lambda: session.run_with_iobinding(binding)


def median_us(run, span):
    run()
    times, end = [], time.perf_counter() + span
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e6


def tool(*arguments):
    done = subprocess.run([str(a) for a in arguments], capture_output=True, text=True)
    if done.returncode:
        text = (done.stderr.strip() or done.stdout.strip() or "failed").splitlines()
        raise RuntimeError(text[-1])
    return done.stdout


def shapes_of(path, arguments):
    """Of --shape MODEL:NAME=1x3x320x320, those of one model, by input."""
    shapes = {}
    for text in arguments:
        model, _, rest = text.partition(":")
        name, _, dims = rest.partition("=")
        if model == path.name:
            shapes[name] = [int(d) for d in dims.split("x")]
    return shapes
