#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How far boxes and scores of quantized detectors agree with fp32 (ONNX Runtime) on pictures.

usage: detectors.py DSMM --models DIR --calibration DIR --pictures DIR [--count 200] [--threshold 0.5] [--low 0.1]
                    [--quantize "--method output"] [--only FastestDet] [--peer MinMax]

Knows YuNet, RFB-320 and FastestDet by the names of their files. Each is imported, quantized to int8 and int4 on the
calibration pictures, and run by `dsmm run` and by ONNX Runtime on the same arrays. Per file it prints

  boxes    boxes of fp32 / of the quantized model after suppression, above --threshold; the share of both that has
           a partner of IoU >= 0.5 in the other (F1); the mean IoU of partners; mean and largest difference of scores
  anchors  the same anchors before suppression, those whose fp32 score is above --low: how many, the mean IoU of their
           boxes, the share of IoU >= 0.5, mean and largest difference of their scores

--peer judges ONNX Runtime's own int8 file too (QDQ, u8 activations, s8 weights per channel, that calibration method).

Needs onnxruntime, onnx, numpy and Pillow from PyPI.
"""
import argparse
import pathlib
import tempfile

import numpy as np
import onnx
import onnx.version_converter
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

from onnx_peer import Samples, ort_session, tool

SUPPRESSION = 0.45  # IoU above which the weaker of two boxes goes


def yunet(out):
    """cls, obj (1, cells, 1), bbox (1, cells, 4) per stride, on 320 x 320 -> scores (A), corners (A, 4) in 0..1."""
    scores, boxes = [], []
    for stride in (8, 16, 32):
        cls, obj, box = (out[f"{kind}_{stride}"].reshape(-1, n) for kind, n in (("cls", 1), ("obj", 1), ("bbox", 4)))
        row, column = np.divmod(np.arange(len(cls)), 320 // stride)
        centre = np.stack([column, row], 1) + box[:, :2]
        half = np.exp(box[:, 2:]) / 2
        scores.append(np.sqrt(np.clip(cls[:, 0], 0, 1) * np.clip(obj[:, 0], 0, 1)))
        boxes.append(np.concatenate([centre - half, centre + half], 1) * stride / 320)
    return np.concatenate(scores), np.concatenate(boxes)


def rfb_priors():
    """(4420, 4) centre and size in 0..1 of the boxes that its regression starts from, on 320 x 240."""
    rows = []
    for stride, sizes in ((8, (10, 16, 24)), (16, (32, 48)), (32, (64, 96)), (64, (128, 192, 256))):
        for row in range(-(-240 // stride)):
            for column in range(-(-320 // stride)):
                centre = ((column + 0.5) * stride / 320, (row + 0.5) * stride / 240)
                rows += [(*centre, size / 320, size / 240) for size in sizes]
    return np.clip(np.array(rows), 0, 1)


RFB_PRIORS = rfb_priors()


def rfb(out):
    """scores (1, 4420, 2): background, face; boxes (1, 4420, 4): shift and growth of the priors, not decoded."""
    shift, growth = np.split(out["boxes"].reshape(-1, 4), 2, axis=1)
    centre = RFB_PRIORS[:, :2] + 0.1 * shift * RFB_PRIORS[:, 2:]
    half = np.exp(0.2 * growth) * RFB_PRIORS[:, 2:] / 2
    return out["scores"].reshape(-1, 2)[:, 1], np.concatenate([centre - half, centre + half], 1)


def fastest_det(out):
    """(1, 85, 22, 22): object, x, y, w, h, 80 classes; the score is that of the likeliest class."""
    (values,) = out.values()
    values = values.reshape(85, 22 * 22).T
    row, column = np.divmod(np.arange(22 * 22), 22)
    centre = (np.stack([column, row], 1) + np.tanh(values[:, 1:3])) / 22
    half = 1 / (1 + np.exp(-values[:, 3:5])) / 2
    scores = np.clip(values[:, 0], 0, 1) ** 0.6 * values[:, 5:].max(1) ** 0.4
    return scores, np.concatenate([centre - half, centre + half], 1)


# file, decoder, (pixel - mean) / deviation, blue first
DETECTORS = {
    "YuNet": ("yunet_n_320_320.onnx", yunet, 0.0, 1.0, True),
    "RFB-320": ("version-RFB-320_simplified.onnx", rfb, 127.0, 128.0, False),
    "FastestDet": ("FastestDet.onnx", fastest_det, 0.0, 255.0, True),
}


def pictures(folder, count, shape, mean, deviation, blue_first):
    """(N, 3, H, W) f32: the middle of evenly chosen pictures in the input's proportions, resampled."""
    files = sorted(f for f in folder.iterdir() if f.suffix.lower() in (".png", ".jpg", ".jpeg"))
    count = min(count, len(files))
    height, width = shape[2:]
    rows = []
    for i in range(count):
        image = Image.open(files[i * len(files) // count]).convert("RGB")
        share = min(image.width / width, image.height / height)
        w, h = width * share, height * share
        left, top = max(0.0, (image.width - w) / 2), max(0.0, (image.height - h) / 2)  # not -1e-14
        box = (left, top, min(left + w, image.width), min(top + h, image.height))
        image = image.resize((width, height), Image.BILINEAR, box)
        values = np.asarray(image, np.float32)[:, :, :: -1 if blue_first else 1]
        rows.append(((values - mean) / deviation).transpose(2, 0, 1))
    return np.ascontiguousarray(np.stack(rows), np.float32)


def overlap(a, b):
    """IoU of corners (..., 4) with corners (..., 4)."""
    low, high = np.maximum(a[..., :2], b[..., :2]), np.minimum(a[..., 2:], b[..., 2:])
    both = np.prod(np.clip(high - low, 0, None), -1)
    area = [np.prod(np.clip(x[..., 2:] - x[..., :2], 0, None), -1) for x in (a, b)]
    return both / np.maximum(area[0] + area[1] - both, 1e-12)


def suppressed(scores, boxes, threshold):
    """Indices of the boxes that stay, best first."""
    left = [i for i in np.argsort(-scores, kind="stable") if scores[i] > threshold]
    kept = []
    while left:
        kept.append(left[0])
        left = [i for i in left[1:] if overlap(boxes[left[0]], boxes[i]) <= SUPPRESSION]
    return kept


def partners(a, b):
    """Pairs of IoU >= 0.5 of boxes a (best first) and b, each used once."""
    free, pairs = set(range(len(b))), []
    for i, box in enumerate(a):
        best = max(free, key=lambda j: overlap(box, b[j]), default=None)
        if best is not None and overlap(box, b[best]) >= 0.5:
            free.remove(best)
            pairs.append((i, best))
    return pairs


def compare(wanted, got, threshold, low):
    """Both: per picture (scores, boxes). Returns the two lines of a report."""
    real, quantized, ious, differences, anchor_ious, anchor_differences = 0, 0, [], [], [], []
    for (s, b), (t, c) in zip(wanted, got):
        mine, theirs = suppressed(s, b, threshold), suppressed(t, c, threshold)
        real, quantized = real + len(mine), quantized + len(theirs)
        for i, j in partners(b[mine], c[theirs]):
            ious.append(overlap(b[mine[i]], c[theirs[j]]))
            differences.append(abs(s[mine[i]] - t[theirs[j]]))
        loud = s > low
        anchor_ious.append(overlap(b[loud], c[loud]))
        anchor_differences.append(np.abs(s - t)[loud])

    def two(values):
        return f"{np.mean(values):.3f} / {np.max(values):.3f}" if len(values) else "- / -"

    flat_ious, flat = np.concatenate(anchor_ious), np.concatenate(anchor_differences)
    share = 200 * len(ious) / max(real + quantized, 1)
    iou = np.mean(ious or [0])
    boxes = f"{real} / {quantized}, matched {share:.1f} %, mean IoU {iou:.3f}, scores {two(differences)}"
    good = 100 * np.mean(flat_ious >= 0.5) if len(flat) else 0
    anchors = f"{len(flat)}, mean IoU {np.mean(flat_ious) if len(flat) else 0:.3f}, {good:.1f} %, scores {two(flat)}"
    return boxes, anchors


def run_fp32(path, arrays):
    session = ort_session(path, 2)
    names = [o.name for o in session.get_outputs()]
    return [dict(zip(names, session.run(None, {session.get_inputs()[0].name: x[None]}))) for x in arrays]


def run_quantized(dsmm, model, name, arrays, names, folder):
    np.save(folder / "in.npy", arrays[:, None])
    tool(dsmm, "run", model, "--input", f"{name}={folder / 'in.npy'}", "-o", folder / "out")
    made = {n: np.load(folder / "out" / (n.replace("/", "_") + ".npy")) for n in names}
    return [{n: v[i] for n, v in made.items()} for i in range(len(arrays))]


def peer_file(path, port, samples, method, folder):
    """What quantize_static makes of the model."""
    fixed, made = folder / "fixed.onnx", folder / "peer.onnx"
    model = onnx.load(path)
    constants = {c.name for c in model.graph.initializer}
    inputs = [v for v in model.graph.input if v.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    if model.opset_import[0].version < 13:  # scales per channel came with 13
        model = onnx.version_converter.convert_version(model, 13)
    onnx.save(model, fixed)
    quant_pre_process(str(fixed), str(fixed), skip_symbolic_shape=True)
    quantize_static(str(fixed), str(made), Samples({port.name: x[None]} for x in samples), per_channel=True,
                    quant_format=QuantFormat.QDQ, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
                    calibrate_method=CalibrationMethod[method])
    return made


def judge(label, arguments, folder):
    file, decode, mean, deviation, blue_first = DETECTORS[label]
    path = arguments.models / file
    port = ort_session(path, 1).get_inputs()[0]
    arrays = pictures(arguments.pictures, arguments.count, port.shape, mean, deviation, blue_first)
    real = run_fp32(path, arrays)
    dsmm = arguments.dsmm.resolve()
    tool(dsmm, "import", path, "-o", folder / "fp32.dsmm")
    prepare = ["--mean", mean, "--std", deviation] + (["--channels", "bgr"] if blue_first else [])
    decoded = [decode(o) for o in real]

    def report(title, outputs, size):
        boxes, anchors = compare(decoded, [decode(o) for o in outputs], arguments.threshold, arguments.low)
        print(f"{label} {title}, {size} bytes\n  boxes    {boxes}\n  anchors  {anchors}", flush=True)

    for title, made in (text.split("=", 1) for text in arguments.file):
        report(title, run_quantized(dsmm, made, port.name, arrays, list(real[0]), folder), pathlib.Path(made).stat().st_size)
    if arguments.peer:
        samples = pictures(arguments.calibration, 64, port.shape, mean, deviation, blue_first)
        made = peer_file(path, port, samples, arguments.peer, folder)
        report(f"ONNX Runtime int8, {arguments.peer}", run_fp32(made, arrays), made.stat().st_size)
    for bits in filter(None, arguments.weights.split(",")):
        made = folder / "q.dsmm"
        tool(dsmm, "quantize", folder / "fp32.dsmm", "-c", arguments.calibration, "-o", made, "--weights", bits,
             *prepare, *arguments.quantize.split())
        got = run_quantized(dsmm, made, port.name, arrays, list(real[0]), folder)
        report(bits, got, made.stat().st_size)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dsmm", type=pathlib.Path)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--calibration", type=pathlib.Path, required=True)
    parser.add_argument("--pictures", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--low", type=float, default=0.1)
    parser.add_argument("--quantize", default="", help="more options of dsmm quantize, e.g. '--method output'")
    parser.add_argument("--weights", default="int8,int4")
    parser.add_argument("--only", choices=DETECTORS, help="one of them")
    parser.add_argument("--peer", default="", help="e.g. MinMax")
    parser.add_argument("--file", action="append", default=[], help="LABEL=FILE.dsmm, with --only")
    arguments = parser.parse_args()
    for label in [arguments.only] if arguments.only else DETECTORS:
        with tempfile.TemporaryDirectory() as folder:
            judge(label, arguments, pathlib.Path(folder))


if __name__ == "__main__":
    main()
