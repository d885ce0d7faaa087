# SPDX-License-Identifier: Apache-2.0
"""The classical steel classifier: texture and shape features, extra trees.

    python training/xsdd_baseline.py --data ../shared/data
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import ndimage
from sklearn.ensemble import ExtraTreesClassifier

import datasets
from datasets import xsdd
from xsdd_score import report

SEEDS = range(5)


def uniform_codes() -> np.ndarray:
    """The 59 classes of 8-neighbour binary patterns: one for each with at most two changes around, one for the rest."""
    ring = (np.arange(256)[:, None] >> np.arange(8)) & 1
    uniform = (ring != np.roll(ring, 1, 1)).sum(1) <= 2
    return np.where(uniform, np.cumsum(uniform) - 1, 58)


def binary_patterns(image: np.ndarray, radius: int, codes: np.ndarray) -> np.ndarray:
    centre = image[radius:-radius, radius:-radius]
    h, w = centre.shape
    pattern = np.zeros(centre.shape, np.int64)
    for bit, (dy, dx) in enumerate([(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]):
        y, x = radius * (1 + dy), radius * (1 + dx)
        pattern |= (image[y:y + h, x:x + w] >= centre).astype(np.int64) << bit
    return np.bincount(codes[pattern].ravel(), minlength=59) / pattern.size


def cooccurrence(image: np.ndarray, dy: int, dx: int, levels: int = 16) -> list[float]:
    q = (image * levels / 256).astype(int)
    a = q[max(0, -dy):q.shape[0] - max(0, dy), max(0, -dx):q.shape[1] - max(0, dx)]
    b = q[max(0, dy):q.shape[0] - max(0, -dy), max(0, dx):q.shape[1] - max(0, -dx)]
    p = np.bincount((a * levels + b).ravel(), minlength=levels**2).reshape(levels, levels) / a.size
    p = (p + p.T) / 2
    i, j = np.indices(p.shape)
    mean = (i * p).sum()
    spread = ((i - mean) ** 2 * p).sum()
    correlation = ((i - mean) * (j - mean) * p).sum() / (spread + 1e-9)
    return [((i - j) ** 2 * p).sum(), (p**2).sum(), (p / (1 + abs(i - j))).sum(), correlation,
            -(p * np.log(p + 1e-12)).sum()]


def gradients(image: np.ndarray) -> np.ndarray:
    """Histograms of nine orientations in 4x4 areas, and over the whole picture."""
    gy, gx = np.gradient(ndimage.gaussian_filter(image, 1.0))
    size = np.hypot(gx, gy)
    bin_ = (np.arctan2(gy, gx) % np.pi / np.pi * 9).astype(int) % 9
    planes = np.stack([np.where(bin_ == k, size, 0) for k in range(9)])
    areas = planes.reshape(9, 4, 32, 4, 32).sum((2, 4)).reshape(9, 16).T
    areas = areas / (np.linalg.norm(areas, axis=1, keepdims=True) + 1e-6)
    whole = planes.sum((1, 2))
    return np.concatenate([areas.ravel(), whole / (whole.sum() + 1e-6), [size.mean(), size.std()]])


def features(image: np.ndarray, codes: np.ndarray) -> np.ndarray:
    g = image[..., 0].astype(np.float64)
    rows, columns = g.mean(1), g.mean(0)
    parts = [binary_patterns(g, r, codes) for r in (1, 2, 4)]
    parts += [cooccurrence(g, *d) for d in ((0, 1), (1, 0), (1, 1), (1, -1), (0, 4), (4, 0))]
    parts += [gradients(g), np.percentile(g, [1, 5, 25, 50, 75, 95, 99]), [g.mean(), g.std()]]
    parts += [[abs(np.diff(rows)).max(), abs(np.diff(columns)).max(), rows.std(), columns.std(), np.ptp(rows),
               np.ptp(columns), columns.min() - np.median(columns), rows.min() - np.median(rows)]]
    for sigma in (2, 4, 8):
        band = ndimage.gaussian_filter(g, sigma / 2) - ndimage.gaussian_filter(g, sigma)
        parts.append([band.std(), band.min(), band.max(), (band < -8).mean(), (band > 8).mean()])
    return np.concatenate([np.asarray(p, np.float64).ravel() for p in parts])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    datasets.add_argument(parser)
    data = xsdd.read(datasets.folder(parser.parse_args().data, "xsdd"))
    codes = uniform_codes()
    x = {split: np.array([features(i, codes) for i in images]) for split, (images, _) in data.items()}
    guesses = []
    for seed in SEEDS:
        model = ExtraTreesClassifier(500, class_weight="balanced", random_state=seed)
        guesses.append(model.fit(x["train"], data["train"][1]).predict(x["test"]))
    report("texture features, extra trees", guesses, data["test"][1])


if __name__ == "__main__":
    main()
