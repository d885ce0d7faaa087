# SPDX-License-Identifier: Apache-2.0
"""The classical board inspection: align, subtract the template, clean up, and let trees name what is left.

    python training/deeppcb_baseline.py --data ../shared/data
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import ndimage
from sklearn.ensemble import ExtraTreesClassifier

import datasets
from datasets import deeppcb
from deeppcb_net import TYPES, iou
from deeppcb_score import Judged, report, set_thresholds

MARGIN = 10  # the annotated boxes leave about this much room around a defect


def align(test: np.ndarray, template: np.ndarray) -> np.ndarray:
    """The template moved by up to 3 pixels each way to where it differs least."""
    moves = [(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4)]
    moved = [np.roll(template, move, (0, 1)) for move in moves]
    return min(moved, key=lambda t: np.count_nonzero(t[4:-4, 4:-4] ^ test[4:-4, 4:-4]))


def blobs(image: np.ndarray, opening: int) -> list[tuple[np.ndarray, list[float]]]:
    """Box and features of each blob of difference; image (640, 640, 2) u8, copper is dark."""
    test = image[..., 0] < 128
    template = align(test, image[..., 1] < 128)
    found = []
    for sign, difference in ((1, test & ~template), (-1, template & ~test)):
        core = ndimage.binary_opening(difference, np.ones((opening, opening)))
        marks, _ = ndimage.label(ndimage.binary_dilation(core, np.ones((5, 5))))
        for i, where in enumerate(ndimage.find_objects(marks), 1):
            y, x = (slice(max(s.start - 8, 0), s.stop + 8) for s in where)
            blob = (marks[y, x] == i) & core[y, x]
            before, after = template[y, x], test[y, x]
            ring = ndimage.binary_dilation(blob, np.ones((3, 3)), 2) & ~blob
            thick = ndimage.distance_transform_edt(blob)
            height, width = where[0].stop - where[0].start - 4, where[1].stop - where[1].start - 4
            features = [sign, blob.sum(), width, height, thick.max(), blob.sum() / (width * height + 1e-9),
                        before[ring].mean(), after[ring].mean(), ndimage.label(before)[1], ndimage.label(after)[1],
                        ndimage.label(before & ring)[1], ndimage.label(~before & ring)[1],
                        ndimage.label(~before)[1], ndimage.label(~after)[1], difference[y, x].mean(), before.mean()]
            box = np.array([where[1].start, where[0].start, where[1].stop, where[0].stop]) + MARGIN * np.array(
                [-1, -1, 1, 1]) + np.array([2, 2, -2, -2])
            found.append((box.clip(0, deeppcb.SIZE), features))
    return found


def truth(box: np.ndarray, boxes: np.ndarray) -> int:
    """The type of the annotated box that a blob belongs to, 6 = none."""
    overlap, kind = max(((iou(box, b), b[4]) for b in boxes), default=(0, TYPES))
    return int(kind) if overlap >= 0.33 else TYPES


def detect(found: list, model: ExtraTreesClassifier) -> tuple[np.ndarray, np.ndarray]:
    """Detections (n, 6) by falling score, and the highest score of each 8x8 cell (80, 80)."""
    cells = np.full((deeppcb.SIZE // 8, deeppcb.SIZE // 8), -10.0)
    if not found:
        return np.zeros((0, 6)), cells
    p = np.zeros((len(found), TYPES + 1))
    p[:, model.classes_] = model.predict_proba(np.array([f for _, f in found]))
    score = np.log((1 - p[:, TYPES]).clip(1e-3, 0.999) / p[:, TYPES].clip(1e-3, 0.999))
    out = np.array([[*box, q[:TYPES].argmax(), s] for (box, _), q, s in zip(found, p, score)])
    for left, top, right, bottom, _, s in out:
        y, x = int(top + bottom) // 16, int(left + right) // 16
        cells[y, x] = max(cells[y, x], s)
    return out[np.argsort(-out[:, 5], kind="stable")], cells


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    datasets.add_argument(parser)
    pairs = deeppcb.read(datasets.folder(parser.parse_args().data, "deeppcb"))
    options = {}
    for opening in (3, 4, 5):
        found = [blobs(p.image, opening) for p in pairs]
        teach = [(f, truth(b, p.boxes)) for p, bs in zip(pairs, found) if p.split == "fit" for b, f in bs]
        model = ExtraTreesClassifier(300, min_samples_leaf=2, random_state=0)
        model.fit(np.array([f for f, _ in teach]), np.array([t for _, t in teach]))
        options[opening] = [Judged(p.boxes, *detect(bs, model), deeppcb.SIZE) for p, bs in zip(pairs, found)]
        print(f"opening {opening}: F1 {set_thresholds(pairs, options[opening])[2]:.4f} on the calibrate boards", flush=True)
    best = max(options, key=lambda k: set_thresholds(pairs, options[k])[2])
    print(f"template difference, opening {best}")
    report(pairs, options[best])


if __name__ == "__main__":
    main()
