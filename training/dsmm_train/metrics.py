# SPDX-License-Identifier: Apache-2.0
"""What is reported: areas, recall at a fixed overkill, intervals, and what a smaller model changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats


def auroc(score: np.ndarray, label: np.ndarray) -> float:
    """Area under the ROC curve of raw scores; ties count half."""
    rank = stats.rankdata(np.asarray(score, np.float64))
    bad = np.asarray(label) > 0
    n_bad, n_good = int(bad.sum()), int((~bad).sum())
    return float((rank[bad].sum() - n_bad * (n_bad + 1) / 2) / (n_bad * n_good))


def threshold_for(score_good: np.ndarray, overkill: float) -> float:
    """The lowest threshold at which at most that share of these good parts is rejected (score >= threshold)."""
    ordered = np.sort(np.asarray(score_good, np.float64))[::-1]
    allowed = int(np.floor(overkill * len(ordered)))
    return float(np.nextafter(ordered[allowed], np.inf))


def recall_at(score: np.ndarray, label: np.ndarray, overkill: float = 0.01) -> tuple[float, float, float]:
    """Share of defects found at that overkill on the same set, with its Clopper-Pearson interval."""
    bad = np.asarray(label) > 0
    found = np.asarray(score)[bad] >= threshold_for(np.asarray(score)[~bad], overkill)
    return (float(found.mean()), *clopper_pearson(int(found.sum()), len(found)))


def clopper_pearson(hits: int, total: int, level: float = 0.95) -> tuple[float, float]:
    a = (1 - level) / 2
    low = 0.0 if hits == 0 else float(stats.beta.ppf(a, hits, total - hits + 1))
    high = 1.0 if hits == total else float(stats.beta.ppf(1 - a, hits + 1, total - hits))
    return low, high


def wilson(hits: int, total: int, level: float = 0.95) -> tuple[float, float]:
    z = float(stats.norm.ppf((1 + level) / 2))
    p, d = hits / total, 1 + z * z / total
    half = z * np.sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / d
    return float((p + z * z / (2 * total)) / d - half), float((p + z * z / (2 * total)) / d + half)


def accuracy(decision: np.ndarray, label: np.ndarray) -> tuple[float, float, float]:
    """Share of right decisions with its Wilson interval."""
    right = np.asarray(decision) == np.asarray(label)
    return (float(right.mean()), *wilson(int(right.sum()), len(right)))


def best_threshold(score: np.ndarray, label: np.ndarray) -> float:
    """The threshold of highest accuracy (the middle of the best interval); for calibration parts."""
    order = np.argsort(score, kind="stable")
    s, bad = np.asarray(score, np.float64)[order], np.asarray(label)[order] > 0
    right = np.concatenate([[bad.sum()], bad.sum() + np.cumsum(np.where(bad, -1, 1))])  # first i are called good
    edges = np.concatenate([[s[0] - 1], (s[1:] + s[:-1]) / 2, [s[-1] + 1]])
    valid = np.concatenate([[True], s[1:] > s[:-1], [True]])
    best = np.flatnonzero(valid & (right == right[valid].max()))
    return float(edges[best[len(best) // 2]])


def bootstrap(measure: Callable[[np.ndarray], float], groups: np.ndarray, rounds: int = 1000,
              seed: int = 1) -> tuple[float, float]:
    """95 % interval of measure(indices) when whole groups (sessions, boards) are drawn with replacement."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(groups == g) for g in np.unique(groups)]
    values = [measure(np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))]))
              for _ in range(rounds)]
    return float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))


def flips(a: np.ndarray, b: np.ndarray) -> int:
    """Parts that two versions of a model decide differently."""
    return int((np.asarray(a) != np.asarray(b)).sum())
