# SPDX-License-Identifier: Apache-2.0
"""What a good engineer would do without a network: handmade features of both sides, trees, a threshold.

Picture: grey histogram, local binary patterns, gradient statistics, and the strongest block residuals against the mean
good part.
Series: band levels, level, crest and kurtosis of each channel over the stroke, the shape of force and current, each
also relative to the median of the five parts before (what a line can know).

    python training/line_baseline.py --cache build/training/line     once line.py has drawn the parts
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy import ndimage
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

from dsmm_train import metrics
from line_data import HOP, Line
from line_score import EVIDENCE, evidence

STROKE = 6  # hops that a part's stroke touches


def template(line: Line, parts: int = 400) -> np.ndarray:
    """Mean good part at half size, each picture brought to mean 0 and deviation 1."""
    good = np.flatnonzero(line.kind < 0)
    chosen = good[np.linspace(0, len(good) - 1, parts).astype(int)]
    return np.mean([_normal(_half(line.images[p])) for p in chosen], 0)


def _half(image: np.ndarray) -> np.ndarray:
    return image.reshape(256, 2, 256, 2).mean((1, 3), dtype=np.float32)


def _normal(x: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / (x.std() + 1e-3)


def _blocks(x: np.ndarray, size: int) -> np.ndarray:
    n = x.shape[0] // size
    return x.reshape(n, size, n, size).mean((1, 3))


def picture_features(image: np.ndarray, mean: np.ndarray) -> np.ndarray:
    x = _half(image)
    centre = x[1:-1, 1:-1]
    ring = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    bits = np.stack([x[dy:dy + 254, dx:dx + 254] >= centre for dy, dx in ring])
    changes = (bits != np.roll(bits, 1, 0)).sum(0)
    pattern = np.where(changes <= 2, bits.sum(0), 9)
    gy, gx = np.gradient(x)
    edge = np.hypot(gx, gy)
    detail = np.abs(x - ndimage.uniform_filter(x, 7))
    smooth = np.abs(ndimage.uniform_filter(x, 5) - ndimage.uniform_filter(x, 25))
    rest = _normal(x) - mean
    parts = [np.histogram(x, 16, (0, 256))[0] / x.size, np.bincount(pattern.ravel(), minlength=10) / pattern.size,
             [x.mean(), x.std()]]
    for m in (edge, detail, smooth, np.abs(rest)):
        parts.append(np.percentile(m, (50, 90, 99, 99.9, 100)))
        for size in (8, 16, 32):
            ordered = np.sort(_blocks(m, size).ravel())
            parts.append(np.concatenate([ordered[-4:], ordered[-4:] / (np.median(ordered) + 1e-3), [ordered.std()]]))
    for size in (8, 16):
        ordered = np.sort(_blocks(rest, size).ravel())
        parts.append(np.concatenate([ordered[:4], ordered[-4:]]))
    return np.concatenate(parts).astype(np.float32)


def series_features(line: Line) -> np.ndarray:
    out = np.zeros((len(line.kind), 0), np.float32)
    for s, features in enumerate(line.features):
        members = np.flatnonzero(line.session == s)
        vibration, current, force, _ = line.raw[s]
        rows = []
        for p in members:
            hop = line.hop[p]
            window = features[max(0, hop - STROKE + 1):hop + 1]
            row = [window.mean(0), window.max(0), window.min(0)]
            end = (hop + 1) * HOP
            v = vibration[max(0, end - 333):end]
            row.append(np.concatenate([[c.std(), np.abs(c).max() / (c.std() + 1e-6),
                                        ((c - c.mean())**4).mean() / (c.var()**2 + 1e-9)] for c in v.T]))
            for slow in (current, force):
                w = slow.reshape(-1)[max(0, end // 20 - 16):end // 20]
                w = np.pad(w, (16 - len(w), 0), mode="edge")
                top = np.median(np.sort(w)[-8:])
                inner = w[4:9]
                row.append(np.concatenate([w, [w.mean(), w.std(), top, inner.min() / top, np.diff(w).max(),
                                               np.abs(np.diff(inner)).max() / top]]))
            rows.append(np.concatenate(row))
        rows = np.stack(rows)
        past = np.stack([np.median(rows[max(0, i - 5):max(i, 1)], 0) for i in range(len(rows))])
        both = np.concatenate([rows, rows - past], 1).astype(np.float32)
        if out.shape[1] == 0:
            out = np.zeros((len(line.kind), both.shape[1]), np.float32)
        out[members] = both
    return out


def features(line: Line, mean: np.ndarray) -> dict[str, np.ndarray]:
    picture = np.stack([picture_features(image, mean) for image in line.images])
    series = series_features(line)
    return {"image": picture, "series": series, "joint": np.concatenate([picture, series], 1)}


def compare(train: Line, calibrate: Line, test: Line, sets: list[dict[str, np.ndarray]], seed: int = 1) -> dict:
    """Per side, the better of extra trees and boosting as the calibration parts say: accuracy and recall on test."""
    result = {}
    warm = [line.warm for line in (train, calibrate, test)]
    label = [line.label[w] for line, w in zip((train, calibrate, test), warm)]
    for side in ("image", "series", "joint"):
        x = [s[side][w] for s, w in zip(sets, warm)]
        best = None
        for name, model in (("extra trees", ExtraTreesClassifier(400, min_samples_leaf=2, n_jobs=1, random_state=seed)),
                            ("gradient boosting", HistGradientBoostingClassifier(max_iter=300, learning_rate=0.08,
                                                                                 random_state=seed))):
            model.fit(x[0], label[0])
            score = [model.predict_proba(v)[:, 1] for v in x[1:]]
            threshold = metrics.best_threshold(score[0], label[1])
            held = metrics.accuracy(score[0] >= threshold, label[1])[0]
            if best is None or held > best[0]:
                best = (held, name, score[1], threshold)
        _, name, score, threshold = best
        right, shown = (score >= threshold) == label[2], evidence(test)[warm[2]]
        result[side] = {"model": name, "accuracy": metrics.accuracy(score >= threshold, label[2]),
                        "by_session": metrics.bootstrap(lambda i: float(right[i].mean()), test.session[warm[2]]),
                        "auroc": metrics.auroc(score, label[2]),
                        "recall_at_1_percent": metrics.recall_at(score, label[2]),
                        "per_evidence": {e: float(right[shown == k].mean()) for k, e in enumerate(EVIDENCE)}}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cache", type=Path, default=Path("build/training/line"), help="where line.py keeps the parts")
    cache = parser.parse_args().cache
    lines = [Line.kept(cache, name) for name in ("train", "calibrate", "test")]
    mean = template(lines[0])
    sets = [features(line, mean) for line in lines]
    print(json.dumps(compare(*lines, sets), indent=1))


if __name__ == "__main__":
    main()
