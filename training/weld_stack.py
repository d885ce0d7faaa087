# SPDX-License-Identifier: Apache-2.0
"""Stacking: trees per modality give log odds, and a logistic model that may not subtract weighs them.

The weights are learned from scores that each session got while it was held out, so a modality counts by how it did on
sessions that its trees had not seen; one that did not help gets weight 0. There is one set of weights for every choice
of modalities that are there: a missing one is left out, not imputed.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier

from weld_model import logistic, session_weights

RIDGE = 0.1
REACH = 4.0  # deviations of good runs that one modality's log odds may count for


class SessionTrees:
    """Extra trees to which a session counts by the root of its size, and both classes alike."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, x: np.ndarray, bad: np.ndarray, session: np.ndarray) -> SessionTrees:
        weight = session_weights(session, bad) * len(bad)
        model = ExtraTreesClassifier(150, min_samples_leaf=3, random_state=self.seed)
        self.model = model.fit(x, bad, sample_weight=weight)
        return self

    def score(self, x: np.ndarray) -> np.ndarray:
        p = self.model.predict_proba(x)[:, 1].clip(0.01, 0.99)
        return np.log(p / (1 - p))


class Stack:
    def __init__(self, make) -> None:
        self.make = make

    def fit(self, x: dict, bad: np.ndarray, session: np.ndarray) -> Stack:
        self.modalities = list(x)
        held = np.zeros((len(bad), len(x)))
        for s in np.unique(session):
            out = session == s
            for k, m in enumerate(x):
                held[out, k] = self.make().fit(x[m][~out], bad[~out], session[~out]).score(x[m][out])
        self.mean, self.spread = held[~bad].mean(0), held[~bad].std(0) + 1e-9
        self.z, self.bad, self.weight = self.standard(held), bad, session_weights(session, bad)
        self.models = {m: self.make().fit(x[m], bad, session) for m in x}
        return self

    def standard(self, score: np.ndarray) -> np.ndarray:
        return ((score - self.mean) / self.spread).clip(-REACH, REACH)

    def weights(self, missing: str | None = None) -> tuple[list[int], np.ndarray, float]:
        here = [k for k, m in enumerate(self.modalities) if m != missing]
        return here, *logistic(self.z[:, here], self.bad, self.weight, RIDGE)

    def singles(self, x: dict) -> dict[str, np.ndarray]:
        return {m: self.models[m].score(x[m]) for m in self.modalities}

    def score(self, x: dict, missing: str | None = None) -> np.ndarray:
        """Log odds of a defect, (n)."""
        here, weight, offset = self.weights(missing)
        z = self.standard(np.stack(list(self.singles(x).values()), 1))
        return z[:, here] @ weight + offset
