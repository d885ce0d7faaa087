# SPDX-License-Identifier: Apache-2.0
"""What a line model's file answers about every part of a set, in exact integers, and how good that is.

    python training/line_score.py --model models/line.dsmm --simulator build/tools/dsmm --cache build/training/line

The picture side is run by the run time, which is quick, sensors and fusion by the slow reference. Thresholds are the
file's own. Needs the parts that line.py draws first.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from dsmm_train import dsmm_file, metrics
from dsmm_train.dsmm_file import ABSENT, Model, Op
from dsmm_train.reference import Reference
from line_data import HOP, Line
from line_net import CLASSES

EVIDENCE = ("good", "image", "sensor", "both")


def picture_side(model: Model) -> tuple[Model, Model]:
    """The frame program's picture side as a model of its own, and the model with that side's results as inputs."""
    ops = next(members for name, members in model.programs if name == "frame")
    known = {i for i, t in enumerate(model.tensors) if t.kind == "constant"} | {model.find("image")}
    mine: list[Op] = []
    for op in ops:
        if all(i in known for i in op.inputs):
            mine.append(op)
            known.update(op.outputs)
    made = {i for op in mine for i in op.outputs}
    read = {i for op in ops if op not in mine for i in op.inputs}
    ends = sorted(i for i in made if i in read or model.tensors[i].name == "image_score")
    wanted, used = set(ends), []
    for op in reversed(mine):
        if wanted & set(op.outputs):
            used.insert(0, op)
            wanted.update(op.inputs)
    kept = sorted(wanted - {ABSENT})
    place = {old: new for new, old in enumerate(kept)} | {ABSENT: ABSENT}
    side = Model([copy.copy(model.tensors[i]) for i in kept])
    side.program("frame")
    for op in used:
        side.op(op.kind, op.name, [place[i] for i in op.inputs], [place[i] for i in op.outputs], tuple(op.attributes))
    rest = copy.deepcopy(model)
    for i in ends:
        side.tensors[place[i]].kind, rest.tensors[i].kind = "output", "input"
    rest.programs = [(name, [op for op in members if not made & set(op.outputs)]) for name, members in model.programs]
    return side, rest


def integers(path: Path, line: Line, folder: Path, program: str, batch: int = 256) -> dict[str, np.ndarray]:
    """image, series, late and joint score (N,) and class (N, 9) of every part; sessions are streamed hop by hop.

    folder: where the pictures of the line are; program: the dsmm tool.
    """
    model = dsmm_file.load(path)
    side, rest = picture_side(model)
    names = [t.name for t in side.tensors if t.kind == "output"]
    with tempfile.TemporaryDirectory() as made:
        side.save(Path(made) / "side.dsmm")
        subprocess.run([program, "run", f"{made}/side.dsmm", "--input", f"image={folder / 'images.npy'}", "--output",
                        made], check=True, stdout=subprocess.DEVNULL)
        seen = {name: np.load(f"{made}/{name}.npy") for name in names}
    memory, frames = sessions(model, line), Reference(rest)
    state = model.find("memory")
    out: dict[str, list[np.ndarray]] = {}
    for at in range(0, len(line.kind), batch):
        parts = np.arange(at, min(at + batch, len(line.kind)))
        frames.states = {state: memory[parts]}
        one = np.ones((len(parts), 1, 1, 1), np.float32)
        given = {"has_image": one, "has_series": one} | {n: v[parts] for n, v in seen.items()}
        result = frames.run("frame", given) | {"image_score": seen["image_score"][parts]}
        for name in ("image_score", "series_score", "late_score", "joint_score", "class"):
            out.setdefault(name.removesuffix("_score"), []).append(result[name].reshape(len(parts), -1))
    joined = {k: np.concatenate(v) for k, v in out.items()}
    return {k: v if k == "class" else v[:, 0] for k, v in joined.items()}


def sessions(model: Model, line: Line) -> np.ndarray:
    """The series memory of every part at its exposure: (N, MEMORY, 1, 64) u8."""
    hops, state = Reference(model), model.find("memory")
    longest = max(len(f) for f in line.features)
    memory = np.zeros((len(line.kind), *model.tensors[state].dims), np.uint8)
    slow = np.stack([np.pad(f[:, -3:], ((0, longest - len(f)), (0, 0)), mode="edge") for f in line.features])
    samples = np.stack([np.pad(r[0], ((0, longest * HOP), (0, 0)))[:longest * HOP] for r in line.raw])
    for hop in range(longest):
        hops.run("hop", {"vibration": samples[:, hop * HOP:(hop + 1) * HOP, None],
                         "slow": slow[:, hop][:, None, None]})
        now = np.flatnonzero(line.hop == hop)
        memory[now] = hops.states[state][line.session[now]]
    return memory


def evidence(line: Line) -> np.ndarray:
    """Index into EVIDENCE."""
    return np.select([line.kind < 0, line.kind < 5, line.kind < 8], [0, 1, 2], 3)


def figures(line: Line, score: dict[str, np.ndarray], thresholds: dict[str, float]) -> dict:
    """Per score: accuracy with its Wilson interval, AUROC, recall at 1 % overkill, and what each kind of evidence and
    of defect got."""
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
                                      for k, e in enumerate(EVIDENCE)},
                     "recall_per_kind": {c: float(decision[warm & (line.kind == k)].mean())
                                         for k, c in enumerate(CLASSES)}}
    bad = warm & (line.kind >= 0)
    out["class_accuracy"] = float((score["class"].argmax(1) == line.kind)[bad].mean())
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, default=Path("models/line.dsmm"))
    parser.add_argument("--simulator", default="build/tools/dsmm", help="the dsmm program")
    parser.add_argument("--cache", type=Path, default=Path("build/training/line"), help="where line.py keeps the parts")
    parser.add_argument("--set", default="test", choices=("train", "calibrate", "test"))
    options = parser.parse_args()
    line = Line.kept(options.cache, options.set)
    meta = dsmm_file.load(options.model).meta
    thresholds = {s: float(meta[f"threshold.{s}"]) for s in ("image", "series", "late", "joint")}
    score = integers(options.model, line, options.cache / options.set, options.simulator)
    print(json.dumps(figures(line, score, thresholds) | {"parts": int(line.warm.sum())}, indent=1))


if __name__ == "__main__":
    main()
