# SPDX-License-Identifier: Apache-2.0
"""A good-only model of raw weld runs: six sensor channels, ten good runs, twelve examples to look at.

    python training/weld_raw.py --data ../shared/data --out models/weld_raw.dsmm

Directions in which good welds hardly vary (the small eigenvalues of their covariance) become a linear layer; what a
run does in these directions, squared and averaged over its last 40 hops, is its score. Nothing is trained by descent.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

import datasets
from datasets import weld
from dsmm_train import metrics
from dsmm_train.dsmm_file import Model
from dsmm_train.graph import graph_append, graph_input, graph_output, graph_state, set_mode, tracing
from dsmm_train.layers import Dequantize, Linear, Mul, QuantizeInput, avg_pool, fold, reduce
from dsmm_train.quant import Grid
from dsmm_train.reference import Reference

HOP = 8  # samples, 0.88 s
MEMORY = 40  # hops, about one weld
RATE_HZ = 1e9 / 109.5e6
DIRECTIONS = 3
REACH = 8.0  # deviations that the whitened directions can show


class Residual(torch.nn.Module):
    """One hop (HOP, 1, 6) -> how far it leaves what good welds do."""

    def __init__(self, runs: list[np.ndarray]) -> None:
        super().__init__()
        rows = torch.from_numpy(np.concatenate(runs))
        self.scale = QuantizeInput(6, 6.0)
        self.scale.fit(rows)
        z = ((rows - self.scale.mean) / self.scale.deviation).double()
        value, vector = torch.linalg.eigh(z.T @ z / len(z))
        quiet = (vector[:, :DIRECTIONS] / value[:DIRECTIONS].clamp(min=2e-3).sqrt()).T
        self.whiten = Linear(6, DIRECTIONS, bits="s8")
        with torch.no_grad():
            self.whiten.weight.copy_(quiet.float()[:, :, None, None])
        self.square, self.mean = Mul(), avg_pool()
        self.real = Dequantize()
        fold(self)
        self.whiten.range.fix(Grid(float(np.float32(2 * REACH / 255)), 128))
        self.square.range.fix(Grid(float(np.float32(REACH**2 / 255)), 0))
        self.mean.range.fix(Grid(float(np.float32(REACH**2 / 255)), 0))
        set_mode(self, "quantize")
        self.eval()

    def forward(self, x):
        y = self.whiten(self.scale(x))
        return reduce(self.real(self.mean(self.square(y, y))), "sum")


def export(net: Residual, threshold: float) -> Model:
    model = Model()
    with tracing(model):
        model.program("hop")
        score = net(graph_input("weld", "f32", (HOP, 1, 6)))
        memory = graph_state("past", MEMORY, 1, None)
        graph_append(score, memory)
        graph_output(reduce(memory, "sum"), "series_score")
    model.meta |= {
        "product": "robot weld", "name": "weld_raw", "decision": "series", "threshold.series": f"{threshold:.6g}",
        "sensor.0.name": "weld", "sensor.0.rate_hz": f"{RATE_HZ:.6g}", "sensor.0.channels": "6",
        "sensor.0.role": "hop", "labels": "unlike_good_runs",
        "data": "Intel robotic welding raw runs, Apache-2.0"}
    return model


def float_score(net: Residual, run: np.ndarray) -> float:
    """The same sum in float64, without any rounding: what the quantized score is compared with."""
    z = (run.astype(np.float64) - net.scale.mean.numpy()) / net.scale.deviation.numpy()
    square = (z @ net.whiten.weight.detach().numpy()[:, :, 0, 0].T.astype(np.float64)) ** 2
    hops = square[:len(square) // HOP * HOP].reshape(-1, HOP, DIRECTIONS).mean(1).sum(1)
    return float(hops[-MEMORY:].sum())


def score(model: Model, run: np.ndarray) -> float:
    """What the exported model answers after the last whole hop of a run, in the exact integer arithmetic."""
    reference = Reference(model)
    hops = np.ascontiguousarray(run[:len(run) // HOP * HOP].reshape(-1, 1, HOP, 1, 6))
    for hop in hops:
        out = reference.run("hop", {"weld": hop})
    return float(out["series_score"].item())


def read(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    good = {p.stem: weld.read_series(p) for p in sorted((folder / "raw_good_runs").glob("*/*.csv"))}
    other = {p.stem: weld.read_series(p) for p in sorted((folder / "raw_class_examples").glob("*.csv"))}
    return good, other


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    datasets.add_argument(parser)
    parser.add_argument("--out", type=Path, help="where to write the model")
    arguments = parser.parse_args()
    good, other = read(datasets.folder(arguments.data, "weld_paired"))
    left_out = {name: Residual([r for n, r in good.items() if n != name]) for name in good}
    held = np.array([score(export(left_out[n], 0.0), r) for n, r in good.items()])
    held_float = np.array([float_score(left_out[n], r) for n, r in good.items()])
    whole = Residual(list(good.values()))
    seen = np.array([score(export(whole, 0.0), r) for r in other.values()])
    seen_float = np.array([float_score(whole, r) for r in other.values()])
    for name, value, exact in zip(good, held, held_float):
        print(f"  good, left out  {name:44} {value:9.2f}  float {exact:9.2f}")
    for name, value, exact in zip(other, seen, seen_float):
        p = (1 + (held >= value).sum()) / (1 + len(held))
        print(f"  example         {name:44} {value:9.2f}  float {exact:9.2f}  p = {p:.3f}")
    bad = np.array([not n.startswith("good") for n in other])
    print(f"AUROC, {len(held)} left-out good runs against {bad.sum()} defective: "
          f"{metrics.auroc(np.r_[held, seen[bad]], np.r_[np.zeros(len(held)), np.ones(bad.sum())]):.3f}; "
          f"with the good run of another session: "
          f"{metrics.auroc(np.r_[held, seen], np.r_[np.zeros(len(held)), bad]):.3f}")
    print(f"no p below {1 / (1 + len(held)):.3f} can be claimed; no false alarm in {len(held)} good runs still allows "
          f"{1 - 0.05 ** (1 / len(held)):.2f} of them (95 %)")
    threshold = 1.5 * held.max()
    flagged = sum(v >= threshold for v in seen[bad])
    flips = metrics.flips(np.r_[held, seen] >= threshold, np.r_[held_float, seen_float] >= threshold)
    print(f"threshold {threshold:.2f}, 1.5 times the highest left-out good run: {flagged} of {bad.sum()} defective "
          f"examples above it, {flips} decisions differ from float")
    if arguments.out:
        print(f"{arguments.out}: {export(whole, threshold).save(arguments.out)} bytes")


if __name__ == "__main__":
    main()
