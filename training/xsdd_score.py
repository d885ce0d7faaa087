# SPDX-License-Identifier: Apache-2.0
"""Accuracy and macro-averaged F1 of a classifier, over seeds, with intervals over the pictures."""

from __future__ import annotations

import numpy as np


def macro_f1(guess: np.ndarray, label: np.ndarray) -> float:
    """Mean of the F1 of every class that occurs."""
    per_class = [2 * np.sum((guess == c) & (label == c)) / max(1, np.sum(guess == c) + np.sum(label == c))
                 for c in np.unique(label)]
    return float(np.mean(per_class))


def interval(figure, guess: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of figure(guess, label), pictures drawn again within their class."""
    rng = np.random.default_rng(0)
    rows = [np.flatnonzero(label == c) for c in np.unique(label)]
    values = []
    for _ in range(1000):
        pick = np.concatenate([rng.choice(r, len(r)) for r in rows])
        values.append(figure(guess[pick], label[pick]))
    return tuple(np.percentile(values, [2.5, 97.5]))


def accuracy(guess: np.ndarray, label: np.ndarray) -> float:
    return float((guess == label).mean())


def report(title: str, guesses: list[np.ndarray], label: np.ndarray) -> None:
    """Prints mean and sd over seeds, the interval of the first seed, and the recall of each class."""
    print(f"{title}: {len(guesses)} seeds, {len(label)} test pictures")
    for name, figure in (("accuracy", accuracy), ("macro-F1", macro_f1)):
        values = np.array([figure(g, label) for g in guesses])
        spread = values.std(ddof=1) if len(values) > 1 else 0.0
        low, high = interval(figure, guesses[0], label)
        print(f"  {name} {values.mean():.4f} sd {spread:.4f}, first seed {values[0]:.4f} [{low:.4f}, {high:.4f}]")
    recalls = [np.mean([(g[label == c] == c).mean() for g in guesses]) for c in np.unique(label)]
    print("  recall per class " + " ".join(f"{r:.3f}" for r in recalls))
