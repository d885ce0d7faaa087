# SPDX-License-Identifier: Apache-2.0
"""A weld is suspect in the measure in which it deviates from good ones: monotone, so that a new session cannot flip it.

Every feature becomes a deviation, log(1 + |x - median| / spread), both taken from good training runs. A logistic
model with weights that may not be negative reads the deviations. A missing modality deviates as the average run does.
"""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize


def session_weights(session: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Weights that give a session the root of its size and both classes the same sum; they add up to 1."""
    weight = np.zeros(len(bad))
    for s in np.unique(session):
        weight[session == s] = 1 / np.sqrt((session == s).sum())
    for c in (False, True):
        weight[bad == c] /= 2 * weight[bad == c].sum()
    return weight


def logistic(z: np.ndarray, bad: np.ndarray, weight: np.ndarray, ridge: float) -> tuple[np.ndarray, float]:
    """Non-negative weights (k) and offset of the logistic model that explains `bad` from z (n, k)."""
    sign = np.where(bad, 1.0, -1.0)

    def cost(p: np.ndarray) -> tuple[float, np.ndarray]:
        e = np.exp(-np.clip(sign * (z @ p[:-1] + p[-1]), -30, 30))
        slope = -weight * sign * e / (1 + e)
        return (weight * np.log1p(e)).sum() + ridge * (p[:-1] ** 2).sum(), np.append(
            z.T @ slope + 2 * ridge * p[:-1], slope.sum())

    bounds = [(0, None)] * z.shape[1] + [(None, None)]
    p = minimize(cost, np.zeros(z.shape[1] + 1), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 300}).x
    return p[:-1], float(p[-1])


class Deviation:
    """The monotone model of one modality, or of several side by side."""

    def __init__(self, ridge: float, dropout: tuple[int, ...] = ()) -> None:
        """dropout: widths of the modalities that lie side by side; each run is also shown with each one missing."""
        self.ridge, self.dropout = ridge, dropout

    def deviation(self, x: np.ndarray) -> np.ndarray:
        return np.log1p(abs(x - self.median) / self.spread)

    def fit(self, x: np.ndarray, bad: np.ndarray, session: np.ndarray) -> Deviation:
        good = x[~bad]
        self.median = np.median(good, 0)
        spread = np.median(abs(good - self.median), 0)
        self.spread = spread + 1e-3 * abs(self.median) + 1e-6 * x.std(0) + 1e-9
        weight = session_weights(session, bad)
        z = self.deviation(x)
        self.usual = weight @ z
        z = z - self.usual
        if self.dropout:
            parts = np.split(np.arange(z.shape[1]), np.cumsum(self.dropout)[:-1])
            shown = [z]
            for part in parts:
                without = z.copy()
                without[:, part] = 0
                shown.append(without)
            z, bad, weight = np.concatenate(shown), np.tile(bad, len(shown)), np.tile(weight, len(shown)) / len(shown)
        self.weight, self.offset = logistic(z, bad, weight, self.ridge)
        return self

    def score(self, x: np.ndarray, missing: np.ndarray | None = None) -> np.ndarray:
        """Log odds of a defect, (n); missing: columns without data."""
        z = self.deviation(x) - self.usual
        if missing is not None:
            z[:, missing] = 0
        return z @ self.weight + self.offset
