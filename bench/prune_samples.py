#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Photos as .npy samples for dsmm prune: OUT/calibration and OUT/evaluation, from different files.

prune_samples.py DATA OUT --size 224x224 --bgr --mean 104,117,123 [--scale 1] [--count 96]
"""
import argparse
import pathlib

import numpy
from PIL import Image

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("data", type=pathlib.Path, help="folder with folders of photos")
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("--size", default="224x224", help="WIDTHxHEIGHT")
parser.add_argument("--bgr", action="store_true")
parser.add_argument("--mean", default="0,0,0", help="subtracted, in the order of the channels")
parser.add_argument("--scale", type=float, default=1.0, help="factor after that")
parser.add_argument("--count", type=int, default=96, help="photos in each of the two folders")
a = parser.parse_args()
width, height = (int(v) for v in a.size.split("x"))
mean = numpy.array([float(v) for v in a.mean.split(",")], numpy.float32)

folders = {}
for path in sorted(a.data.rglob("*")):
    if path.suffix.lower() in (".jpg", ".jpeg", ".png", ".bmp") and "mask" not in path.name:
        folders.setdefault(path.relative_to(a.data).parts[0], []).append(path)
for which, part in enumerate(("calibration", "evaluation")):
    target = a.out / part
    target.mkdir(parents=True, exist_ok=True)
    want = -(-a.count // len(folders))
    columns = []
    for paths in folders.values():  # even files calibrate, odd ones evaluate
        mine = paths[which::2]
        columns.append(mine[:: max(1, len(mine) // want)][:want])
    chosen = [c[i] for i in range(want) for c in columns if i < len(c)]  # so that a first part holds all kinds
    for number, path in enumerate(chosen[: a.count]):
        picture = Image.open(path).convert("RGB")
        side = min(picture.size[0] / width, picture.size[1] / height)
        box_w, box_h = int(width * side), int(height * side)
        left, top = (picture.size[0] - box_w) // 2, (picture.size[1] - box_h) // 2
        picture = picture.crop((left, top, left + box_w, top + box_h)).resize((width, height), Image.BILINEAR)
        x = numpy.asarray(picture, numpy.float32)
        x = x[:, :, ::-1] if a.bgr else x
        x = ((x - mean) * a.scale).transpose(2, 0, 1)
        numpy.save(target / f"{number:03d}.npy", numpy.ascontiguousarray(x[None], dtype=numpy.float32))
    print(f"{target}: {min(a.count, len(chosen))} photos")
