# SPDX-License-Identifier: Apache-2.0
"""What the line model is worth: its versions compared on unseen sessions, and the fp32 twin as ONNX."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import nn

from dsmm_train import metrics
from dsmm_train.graph import Flow
from line_data import Line
from line_heads import LineNet, strips_of
from line_net import FEATURES, MEMORY, SIZE, WINDOW
from line_score import figures, integers


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


def report(lines: dict[str, Line], judged: dict, path: Path, cache: Path, program: str) -> None:
    """Prints and stores the comparison of the versions; thresholds are each version's own, from calibration parts."""
    calibrate, test = lines["calibrate"], lines["test"]
    exact = integers(path, test, cache / "test", program)
    judged["integers"] = {"test": exact, "calibrate": judged["int4"]["calibrate"]}
    result, decisions = {}, {}
    for version, score in judged.items():
        warm = calibrate.warm
        thresholds = {s: metrics.best_threshold(score["calibrate"][s][warm], calibrate.label[warm])
                      for s in ("image", "series", "late", "joint")}
        result[version] = figures(test, score["test"], thresholds)
        decisions[version] = (score["test"]["joint"] >= thresholds["joint"])[test.warm]
    result["flips"] = {f"{a} {b}": metrics.flips(decisions[a], decisions[b])
                       for a, b in (("fp32", "int4"), ("int4", "integers"), ("fp32", "integers"),
                                    ("fp32", "int8 rounded"), ("fp32", "int4 rounded")) if b in decisions}
    result["parts"] = int(test.warm.sum())
    result["bytes"] = {"dsmm": path.stat().st_size, "onnx": (cache / "line_fp32.onnx").stat().st_size}
    (cache / "report.json").write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
