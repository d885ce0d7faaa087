# SPDX-License-Identifier: Apache-2.0
"""How well boards are judged: tiles (is anything wrong here?) and boxes (what is wrong, where?).

Tiles are 64x64 pixels. A tile that holds a box centre or half of a box is defective, one that touches no box is good,
all others are left out. Its score is the highest cell logit inside.
Boxes count as found if a detection of the same type overlaps with IoU >= 0.33, one to one, best score first.
"""

from __future__ import annotations

import numpy as np

from deeppcb_net import TYPES, iou
from dsmm_train import metrics

TILE = 64


def tile_labels(boxes: np.ndarray, size: int) -> np.ndarray:
    """(size / 64, size / 64) s8: 1 defective, 0 good, -1 left out."""
    n = size // TILE
    out = np.zeros((n, n), np.int8)
    for left, top, right, bottom, _ in boxes:
        for y in range(int(top) // TILE, min(n, int(bottom) // TILE + 1)):
            for x in range(int(left) // TILE, min(n, int(right) // TILE + 1)):
                w = min(right, (x + 1) * TILE) - max(left, x * TILE)
                h = min(bottom, (y + 1) * TILE) - max(top, y * TILE)
                if w <= 0 or h <= 0:
                    continue
                centre = x == int(left + right) // 2 // TILE and y == int(top + bottom) // 2 // TILE
                if centre or 2 * w * h >= (right - left) * (bottom - top):
                    out[y, x] = 1
                elif out[y, x] == 0:
                    out[y, x] = -1
    return out


def tile_scores(score: np.ndarray, size: int) -> np.ndarray:
    """Highest value of each tile; score (h, w) covers the picture evenly."""
    n = size // TILE
    k = score.shape[0] // n
    return score.reshape(n, k, n, k).max(axis=(1, 3))


def match(found: np.ndarray, boxes: np.ndarray, typed: bool = True) -> np.ndarray:
    """Which detections hit a box of their own; found (n, 6) by falling score, boxes (m, 5) -> (n) bool.

    typed: the types must agree too.
    """
    hit = np.zeros(len(found), bool)
    free = set(range(len(boxes)))
    for i, f in enumerate(found):
        near = [(iou(f, boxes[j]), -j) for j in free if not typed or boxes[j, 4] == f[4]]
        overlap, j = max(near, default=(0.0, 0))
        if overlap >= 0.33:
            hit[i] = True
            free.discard(-j)
    return hit


def best_threshold(found: list[np.ndarray], boxes: list[np.ndarray]) -> tuple[float, float]:
    """The detection threshold of the highest F1, and that F1; for pictures outside the fit."""
    score = np.concatenate([f[:, 5] for f in found])
    # a hit stays a hit at any lower threshold, since better detections choose first
    hit = np.concatenate([match(f, b) for f, b in zip(found, boxes)])
    order = np.argsort(-score, kind="stable")
    claimed = np.arange(1, len(order) + 1)
    f1 = 2 * np.cumsum(hit[order]) / (claimed + sum(map(len, boxes)))
    best = int(f1.argmax())
    return float(score[order[best]]), float(f1[best])


class Judged:
    """One picture's detections against its boxes, and its tiles."""

    def __init__(self, boxes: np.ndarray, found: np.ndarray, cells: np.ndarray, size: int) -> None:
        """found (n, 6) by falling logit; cells (h, w): the logit of every cell."""
        self.boxes, self.found = boxes, found
        self.hit, self.place = match(found, boxes), match(found, boxes, typed=False)
        labels = tile_labels(boxes, size).ravel()
        self.tiles, self.bad = tile_scores(cells, size).ravel()[labels >= 0], labels[labels >= 0] == 1


def average_precision(judged: list[Judged], kind: int) -> float:
    """Area under the precision-recall curve of one type, precision made monotone."""
    score = np.concatenate([j.found[j.found[:, 4] == kind, 5] for j in judged])
    hit = np.concatenate([j.hit[j.found[:, 4] == kind] for j in judged])[np.argsort(-score, kind="stable")]
    precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(precision[hit].sum() / max(1, sum(int((j.boxes[:, 4] == kind).sum()) for j in judged)))


def figures(judged: list[Judged], box_threshold: float, tile_threshold: float) -> dict[str, float]:
    """All figures of some pictures at thresholds that other pictures set."""
    hits = sum(int(j.hit[j.found[:, 5] >= box_threshold].sum()) for j in judged)
    placed = sum(int(j.place[j.found[:, 5] >= box_threshold].sum()) for j in judged)
    claimed = sum(int((j.found[:, 5] >= box_threshold).sum()) for j in judged)
    present = sum(len(j.boxes) for j in judged)
    score, bad = np.concatenate([j.tiles for j in judged]), np.concatenate([j.bad for j in judged])
    return {
        "box precision": hits / max(claimed, 1),
        "box recall": hits / max(present, 1),
        "box F1": 2 * hits / max(claimed + present, 1),
        "box F1 whatever the type": 2 * placed / max(claimed + present, 1),
        "mean average precision": float(np.mean([average_precision(judged, k) for k in range(TYPES)])),
        "tile AUROC": metrics.auroc(score, bad),
        "tile recall at 1 % overkill": metrics.recall_at(score, bad, 0.01)[0],
        "tile recall, threshold set before": float((score[bad] >= tile_threshold).mean()),
        "tile overkill, threshold set before": float((score[~bad] >= tile_threshold).mean()),
    }


def set_thresholds(pairs: list, judged: list[Judged]) -> tuple[float, float, float]:
    """From the calibrate boards: detection threshold, tile threshold of 1 % overkill, F1 there."""
    mine = [j for p, j in zip(pairs, judged) if p.split == "calibrate"]
    threshold, f1 = best_threshold([j.found for j in mine], [j.boxes for j in mine])
    good = np.concatenate([j.tiles[~j.bad] for j in mine])
    return threshold, metrics.threshold_for(good, 0.01), f1


def report(pairs: list, judged: list[Judged]) -> dict[str, float]:
    """Prints the test figures with 95 % intervals (pictures drawn again): all, seen and unseen boards."""
    *thresholds, f1 = set_thresholds(pairs, judged)
    print(f"  box threshold {thresholds[0]:.3f} (F1 {f1:.4f} on the calibrate boards), tile {thresholds[1]:.3f}")
    first = None
    for title, wanted in (("all", (True, False)), ("seen boards", (True,)), ("unseen boards", (False,))):
        mine = [j for p, j in zip(pairs, judged) if p.split == "test" and p.seen in wanted]
        value, rng = figures(mine, *thresholds), np.random.default_rng(0)
        drawn = [figures([mine[i] for i in rng.integers(len(mine), size=len(mine))], *thresholds) for _ in range(500)]
        print(f"  test, {title}: {len(mine)} pairs, {sum(len(j.boxes) for j in mine)} boxes")
        for k, v in value.items():
            low, high = np.percentile([d[k] for d in drawn], [2.5, 97.5])
            print(f"    {k:36} {v:.4f}  [{low:.4f}, {high:.4f}]", flush=True)
        first = first or value
    return first
