# SPDX-License-Identifier: Apache-2.0
"""Fuses sensor, sound and photos of a weld and measures the result on sessions that no fit has seen.

    python training/weld.py --data ../shared/data             the published split
    python training/weld.py --data ../shared/data --rotate    every session held out in turn, in six groups

Ridge, fusion weights and gates come from held-out groups of training sessions; the test sessions are scored once per
seed, after everything is chosen. No weights are written: the tables that the fit reads carry no licence.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
from scipy.stats import rankdata
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier

import datasets
from datasets import weld
from dsmm_train.metrics import auroc, recall_at
from weld_model import Deviation, logistic, session_weights
from weld_stack import SessionTrees, Stack

RIDGES = (0.001, 0.01, 0.1)
SEEDS = range(5)
ROUNDS = 9  # held-out groups of three good and three defective sessions


def held_out(session: np.ndarray, bad: np.ndarray, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    share = {s: bad[session == s].mean() for s in np.unique(session)}
    good = [s for s in share if share[s] == 0]
    spoilt = [s for s in share if share[s] == 1]
    mixed = [s for s in share if 0 < share[s] < 1]
    return [np.isin(session, [*rng.permutation(good)[:3], *rng.permutation(spoilt)[:3], *(mixed if r % 3 == 0 else [])])
            for r in range(ROUNDS)]


class Trees:
    """Extra trees behind the same two calls: the reference that the data set is published with."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def fit(self, x: np.ndarray, bad: np.ndarray, session: np.ndarray) -> Trees:
        self.model = ExtraTreesClassifier(150, random_state=self.seed).fit(x, bad)
        return self

    def score(self, x: np.ndarray) -> np.ndarray:
        p = self.model.predict_proba(x)[:, 1].clip(0.003, 0.997)
        return np.log(p / (1 - p))


class GoodOnly:
    """What the 20 main directions of good runs do not explain, after standardising; knows no defect."""

    def fit(self, x: np.ndarray, bad: np.ndarray, session: np.ndarray) -> GoodOnly:
        self.mean, self.spread = x[~bad].mean(0), x[~bad].std(0) + 1e-3 * abs(x[~bad]).mean(0) + 1e-9
        self.main = PCA(20, random_state=0).fit(self.standard(x[~bad]))
        return self

    def standard(self, x: np.ndarray) -> np.ndarray:
        return ((x - self.mean) / self.spread).clip(-10, 10)

    def score(self, x: np.ndarray) -> np.ndarray:
        z = self.standard(x)
        return np.log(((z - self.main.inverse_transform(self.main.transform(z))) ** 2).mean(1) + 1e-9)


def cross_scores(make, x, bad, session, folds) -> tuple[np.ndarray, np.ndarray]:
    """Mean score of every run over the folds that held its session out (NaN: never), and the AUROC of each fold."""
    total, count, figures = np.zeros(len(bad)), np.zeros(len(bad)), []
    for out in folds:
        score = make().fit(x[~out], bad[~out], session[~out]).score(x[out])
        total[out] += score
        count[out] += 1
        figures.append(auroc(score, bad[out]))
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), np.array(figures)


class LateFusion:
    """Weighted sum of conformal evidence: -log10 of the share of good runs, scored while their session was held out,
    that look at least as bad. It cannot grow beyond what the number of good runs supports, so no shifted modality can
    outvote the others. A modality whose held-out AUROC is not above chance by one standard error over the folds has
    its gate closed: weight 0. One gate always stays open."""

    def __init__(self, makers: dict, folds: list[np.ndarray]) -> None:
        self.makers, self.folds = makers, folds

    def fit(self, x: dict, bad: np.ndarray, session: np.ndarray) -> LateFusion:
        cross = {m: cross_scores(self.makers[m], x[m], bad, session, self.folds) for m in x}
        margin = {m: float(c[1].mean() - c[1].std() / np.sqrt(len(c[1]))) for m, c in cross.items()}
        self.open = [m for m in x if margin[m] > 0.5] or [max(margin, key=margin.get)]
        self.good = {m: np.sort(s[~bad & ~np.isnan(s)]) for m, (s, _) in cross.items()}
        known = ~np.isnan(np.stack([cross[m][0] for m in self.open], 1)).any(1)
        z = np.stack([self.evidence(m, cross[m][0][known]) for m in self.open], 1)
        weight, self.offset = logistic(z, bad[known], session_weights(session[known], bad[known]), 1e-3)
        self.weight, self.usual = dict(zip(self.open, weight)), dict(zip(self.open, z.mean(0)))
        self.models = {m: self.makers[m]().fit(x[m], bad, session) for m in self.open}
        return self

    def evidence(self, modality: str, score: np.ndarray) -> np.ndarray:
        good = self.good[modality]
        above = len(good) - np.searchsorted(good, score, side="left")
        return -np.log10((1 + above) / (1 + len(good)))

    def score(self, x: dict, missing: str | None = None) -> np.ndarray:
        total = np.full(len(x["sensor"]), self.offset)
        for m in self.open:
            e = self.usual[m] if m == missing else self.evidence(m, self.models[m].score(x[m]))
            total = total + self.weight[m] * e
        return total


def run(runs: weld.Runs, test: np.ndarray, seed: int) -> tuple[dict[str, np.ndarray], dict]:
    """Scores of the test runs by every method, and what was chosen on the others."""
    bad, session = runs.bad[~test], runs.session[~test]
    x = {m: v[~test] for m, v in runs.features.items()}
    y = {m: v[test] for m, v in runs.features.items()}
    folds = held_out(session, bad, seed)
    out, chosen = {}, {}

    def ridge(z: np.ndarray, dropout: tuple[int, ...] = ()) -> float:
        inside = {r: cross_scores(lambda: Deviation(r, dropout), z, bad, session, folds)[1].mean() for r in RIDGES}
        return max(inside, key=inside.get)

    for m in weld.MODALITIES:
        chosen[m] = ridge(x[m])
        out[f"trees, {m}"] = Trees(seed).fit(x[m], bad, session).score(y[m])
        out[f"good-only, {m}"] = GoodOnly().fit(x[m], bad, session).score(y[m])
        out[f"deviation, {m}"] = Deviation(chosen[m]).fit(x[m], bad, session).score(y[m])
    wide = lambda v: np.concatenate([v[m] for m in weld.MODALITIES], 1)  # noqa: E731
    out["trees, concatenated"] = Trees(seed).fit(wide(x), bad, session).score(wide(y))
    families = {"trees": {m: lambda: Trees(seed) for m in x}, "good-only": {m: GoodOnly for m in x},
                "deviation": {m: (lambda r=chosen[m]: Deviation(r)) for m in x}}
    for name, makers in families.items():
        late = LateFusion(makers, folds).fit(x, bad, session)
        chosen[f"{name}, open gates"] = late.open
        out[f"{name}, late fusion"] = late.score(y)
        for m in weld.MODALITIES:
            out[f"{name}, late fusion without {m}"] = late.score(y, missing=m)

    stack = Stack(lambda: SessionTrees(seed)).fit(x, bad, session)
    out |= {f"session trees, {m}": s for m, s in stack.singles(y).items()}
    out["session trees, stacked"] = stack.score(y)
    chosen["stack"] = dict(zip(weld.MODALITIES, stack.weights()[1].round(3).tolist()))
    for m in weld.MODALITIES:
        out[f"session trees, stacked without {m}"] = stack.score(y, missing=m)

    widths = {m: x[m].shape[1] for m in late.open}
    join = lambda v: np.concatenate([v[m] for m in late.open], 1)  # noqa: E731
    chosen["learned"] = ridge(join(x), tuple(widths.values()))
    learned = Deviation(chosen["learned"], tuple(widths.values())).fit(join(x), bad, session)
    out["deviation, learned fusion"] = learned.score(join(y))
    start = 0
    for m in weld.MODALITIES:
        columns = np.arange(start, start + widths.get(m, 0))
        out[f"deviation, learned fusion without {m}"] = learned.score(join(y), columns)
        start += len(columns)
    return out, chosen


def session_interval(score: np.ndarray, bad: np.ndarray, session: np.ndarray) -> tuple[float, float]:
    """95 % interval of the AUROC when the sessions, good and defective ones apart, are drawn again."""
    rng = np.random.default_rng(0)
    rows = {s: np.flatnonzero(session == s) for s in np.unique(session)}
    pools = [[s for s in rows if bad[rows[s]].any() == c] for c in (False, True)]
    figures = []
    for _ in range(1000):
        drawn = np.concatenate([rows[s] for pool in pools for s in rng.choice(pool, len(pool))])
        figures.append(auroc(score[drawn], bad[drawn]))
    return tuple(np.percentile(figures, [2.5, 97.5]))


def published(runs: weld.Runs) -> None:
    bad, session = runs.bad[runs.test], runs.session[runs.test]
    scores = []
    for seed in SEEDS:
        out, chosen = run(runs, runs.test, seed)
        scores.append(out)
        print(json.dumps({"seed": seed} | chosen), flush=True)
    print(f"{'method':44} AUROC mean  sd     95 % by session   recall at 1 / 5 % overkill")
    for name in scores[0]:
        figures = np.array([auroc(s[name], bad) for s in scores])
        low, high = session_interval(np.mean([rankdata(s[name]) for s in scores], 0), bad, session)
        caught = [np.mean([recall_at(s[name], bad, q)[0] for s in scores]) for q in (0.01, 0.05)]
        print(f"{name:44} {figures.mean():.3f}     {figures.std(ddof=1):.3f}  {low:.3f} .. {high:.3f}    "
              f"{caught[0]:.3f} / {caught[1]:.3f}")


def rotated(runs: weld.Runs) -> None:
    """AUROC within each of six held-out groups of sessions; differences are taken group by group."""
    figures: dict[str, list[float]] = {}
    rng = np.random.default_rng(100)
    names = np.unique(runs.session)
    spoilt = np.array([runs.bad[runs.session == s].mean() > 0.5 for s in names])
    place = np.empty(len(names), int)
    for c in (False, True):
        place[spoilt == c] = rng.permutation(np.arange((spoilt == c).sum()) % 6)
    for k in range(6):
        test = np.isin(runs.session, names[place == k])
        out, chosen = run(runs, test, 0)
        for name, score in out.items():
            figures.setdefault(name, []).append(auroc(score, runs.bad[test]))
        print(json.dumps({"group": k, "sessions": sorted(names[place == k])} | chosen), flush=True)
    singles = [n for n in figures if n.split(", ")[-1] in weld.MODALITIES]
    best = max(singles, key=lambda n: np.mean(figures[n]))
    print(f"{'method':44} AUROC mean  se     against {best}: mean, se")
    for name, values in figures.items():
        gap = np.array(values) - figures[best]
        root = np.sqrt(len(values))
        print(f"{name:44} {np.mean(values):.3f}     {np.std(values, ddof=1) / root:.3f}  {gap.mean():+.3f}  "
              f"{gap.std(ddof=1) / root:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    datasets.add_argument(parser)
    parser.add_argument("--rotate", action="store_true", help="hold out every session in turn")
    arguments = parser.parse_args()
    runs = weld.read(datasets.folder(arguments.data, "weld_paired"))
    (rotated if arguments.rotate else published)(runs)


if __name__ == "__main__":
    main()
