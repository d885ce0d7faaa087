# SPDX-License-Identifier: Apache-2.0
"""What the line model is worth: figures on unseen sessions, the fp32 twin as ONNX, and the run time's integers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dsmm_train import dsmm_file, metrics
from dsmm_train.graph import Flow
from dsmm_train.reference import Reference
from line_data import Line
from line_heads import LineNet, strips_of
from line_net import FEATURES, MEMORY, SIZE, WINDOW

EVIDENCE = ("good", "image", "sensor", "both")


class Twin(nn.Module):
    """The fp32 network with a window of features in place of the streamed memory: what another run time would load."""

    def __init__(self, net: LineNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image, features, has_image, has_series):
        i, s = self.net.image, self.net.series
        fine, coarse, marks, heat = i.cells(Flow(image))
        summary = i.summary(fine, marks)
        memory = Flow(s.tokens(Flow(features)).data[:, :, -MEMORY:])
        vector = s.pool(memory)
        joint, kind = self.net.fusion(Flow(has_image), Flow(has_series), strips_of(coarse), summary, memory, vector)
        return (i.judge(summary).data, s.pool.score(vector).data, joint.data, kind.data, torch.sigmoid(heat.data))


def onnx(net: LineNet, path: Path) -> int:
    """Writes the twin; returns its size in bytes."""
    inputs = (torch.zeros(1, 1, SIZE, SIZE), torch.zeros(1, FEATURES, WINDOW, 1), torch.ones(1, 1, 1, 1),
              torch.ones(1, 1, 1, 1))
    torch.onnx.export(Twin(net).eval(), inputs, str(path), input_names=["image", "features", "has_image", "has_series"],
                      output_names=["image_score", "series_score", "joint_score", "class", "map"], opset_version=17,
                      dynamo=False)
    return path.stat().st_size


def integers(path: Path, line: Line, batch: int = 8) -> dict[str, np.ndarray]:
    """Scores of every part by the exact integers of the file: sessions streamed hop by hop, then the frames."""
    model = dsmm_file.load(path)
    hops, frames = Reference(model), Reference(model)
    state = model.find("memory")
    sessions = len(line.features)
    longest = max(len(f) for f in line.features)
    memory = np.zeros((len(line.kind), *model.tensors[state].dims), np.uint8)
    slow = np.stack([np.pad(f[:, -3:], ((0, longest - len(f)), (0, 0)), mode="edge") for f in line.features])
    samples = np.stack([np.pad(r[0], ((0, longest * 64), (0, 0)))[:longest * 64] for r in line.raw])
    for hop in range(longest):
        hops.run("hop", {"vibration": samples[:, hop * 64:hop * 64 + 64, None], "slow": slow[:, hop][:, None, None]})
        now = np.flatnonzero(line.hop == hop)
        memory[now] = hops.states[state][line.session[now]]
    out: dict[str, list[np.ndarray]] = {}
    for at in range(0, len(line.kind), batch):
        parts = np.arange(at, min(at + batch, len(line.kind)))
        frames.states = {state: memory[parts]}
        one = np.ones((len(parts), 1, 1, 1), np.float32)
        result = frames.run("frame", {"image": line.images[parts][..., None], "has_image": one, "has_series": one})
        for name in ("image_score", "series_score", "late_score", "joint_score", "class"):
            out.setdefault(name.removesuffix("_score"), []).append(result[name].reshape(len(parts), -1))
    joined = {k: np.concatenate(v) for k, v in out.items()}
    return {k: v if k == "class" else v[:, 0] for k, v in joined.items()}


def evidence(line: Line) -> np.ndarray:
    """Index into EVIDENCE."""
    return np.select([line.kind < 0, line.kind < 5, line.kind < 8], [0, 1, 2], 3)


def figures(line: Line, score: dict[str, np.ndarray], thresholds: dict[str, float]) -> dict:
    """Per score: accuracy with its Wilson interval, AUROC, recall at 1 % overkill, accuracy per kind of evidence."""
    warm, label, kind = line.warm, line.label, evidence(line)
    out = {}
    for name, threshold in thresholds.items():
        decision = score[name] >= threshold
        out[name] = {"accuracy": metrics.accuracy(decision[warm], label[warm]),
                     "by_session": metrics.bootstrap(lambda i: float((decision == label)[warm][i].mean()),
                                                     line.session[warm]),
                     "auroc": metrics.auroc(score[name][warm], label[warm]),
                     "recall_at_1_percent": metrics.recall_at(score[name][warm], label[warm]),
                     "overkill": float(decision[warm & (label == 0)].mean()),
                     "escape": float((~decision[warm & (label == 1)]).mean()),
                     "per_evidence": {e: float((decision == label)[warm & (kind == k)].mean())
                                      for k, e in enumerate(EVIDENCE)}}
    bad = warm & (line.kind >= 0)
    out["class_accuracy"] = float((score["class"].argmax(1) == line.kind)[bad].mean())
    return out


def report(lines: dict[str, Line], judged: dict, path: Path, cache: Path) -> None:
    """Prints and stores the comparison of the versions; thresholds are each version's own, from calibration parts."""
    calibrate, test = lines["calibrate"], lines["test"]
    judged["integers"] = {"test": integers(path, test), "calibrate": judged["int4"]["calibrate"]}
    result, decisions = {}, {}
    for version, score in judged.items():
        warm = calibrate.warm
        thresholds = {s: metrics.best_threshold(score["calibrate"][s][warm], calibrate.label[warm])
                      for s in ("image", "series", "late", "joint")}
        result[version] = figures(test, score["test"], thresholds)
        decisions[version] = (score["test"]["joint"] >= thresholds["joint"])[test.warm]
    result["flips"] = {f"{a} {b}": metrics.flips(decisions[a], decisions[b])
                       for a, b in (("fp32", "int4"), ("int4", "integers"), ("fp32", "integers"),
                                    ("fp32", "int8 rounded"), ("fp32", "int4 rounded"))}
    result["parts"] = int(test.warm.sum())
    result["bytes"] = {"dsmm": path.stat().st_size, "onnx": (cache / "line_fp32.onnx").stat().st_size}
    (cache / "report.json").write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
