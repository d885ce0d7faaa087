# SPDX-License-Identifier: Apache-2.0
"""Trains the joint model of the simulated line and measures it on sessions that it has never seen.

    python training/line.py --simulator build/tools/dsmm --cache build/training/line --out models/line.dsmm

Every stage leaves a file in the cache and is skipped when it is there, so an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import copy
import pickle
import subprocess
from functools import partial
from pathlib import Path

import numpy as np
import torch

import line_data
import line_heads
import line_image
import line_report
import line_series
from dsmm_train import metrics
from dsmm_train.graph import Flow, set_mode
from dsmm_train.layers import Conv2d, fold
from dsmm_train.quant import Grid, Weights
from line_export import export, late_scores, p_value_knots, picture_encoder
from line_heads import Encoded, LineNet
from line_net import PICTURE

# parts, first seed, sessions, other shares of defects. "more" and "extra" teach the encoders, and are rich in picture
# defects. The heads learn from "train" alone, which no encoder has seen: they would trust one that knows their parts.
RICH = ("--shares", "400,150,150")
SETS = {"train": (8000, 1000, 200), "more": (8000, 20000, 200, *RICH), "extra": (8000, 30000, 200, *RICH),
        "calibrate": (1600, 5000, 40), "test": (3200, 9000, 80)}
JUDGED = ("train", "calibrate", "test")
SEED = 1


def simulate(simulator: str, cache: Path) -> dict[str, line_data.Line]:
    lines = {}
    for name, (parts, seed, sessions, *shares) in SETS.items():
        folder, kept = cache / name, cache / f"{name}.pkl"
        if not kept.exists():
            if not (folder / "parts.csv").exists():
                subprocess.run([simulator, "simulate", "-o", folder, "--parts", str(parts), "--seed", str(seed),
                                "--sessions", str(sessions), *shares], check=True)
            line = line_data.load(folder)
            line.images = None
            kept.write_bytes(pickle.dumps(line))
        lines[name] = line_data.Line.kept(cache, name)
    return lines


class Cache:
    """Weights of `net` after each stage."""

    def __init__(self, folder: Path, net: LineNet) -> None:
        self.folder, self.net = folder, net

    def stage(self, name: str, part: torch.nn.Module, work) -> None:
        path = self.folder / f"{name}.pt"
        if path.exists():
            part.load_state_dict(torch.load(path), strict=False)
            return
        print(f"stage {name}", flush=True)
        work()
        torch.save(part.state_dict(), path)

    def made(self, name: str, work):
        path = self.folder / f"{name}.pkl"
        if not path.exists():
            print(f"stage {name}", flush=True)
            path.write_bytes(pickle.dumps(work()))
        return pickle.loads(path.read_bytes())


def encode_as_shipped(net: LineNet, line: line_data.Line, folder: Path, program: str) -> Encoded:
    """The quantized encoders over every part; the run time itself looks at the pictures, which is quicker and exact."""
    model = picture_encoder(net)
    model.save(folder / "encoder.dsmm")
    subprocess.run([program, "run", folder / "encoder.dsmm", "--input", f"image={folder / 'images.npy'}", "--output",
                    folder], check=True, stdout=subprocess.DEVNULL)
    pictures = []
    for name in ("strips", "finest", "worst"):
        t = model.tensors[model.find(name)]
        values = np.load(folder / f"{name}.npy").reshape(-1, *t.dims).astype(np.float32)
        grid = Grid(t.scale, t.zero) if t.type == "u8" else None
        values = (values - grid.zero) * np.float32(grid.scale) if grid else values
        pictures.append(Flow(torch.from_numpy(values).permute(0, 3, 1, 2).contiguous(), grid))
    memory, vector, _, _ = line_series.scan(net.series, line)
    return Encoded(*pictures, memory, vector)


@torch.no_grad()
def observe(net: LineNet, line: line_data.Line, sessions: int = 12, parts: int = 48) -> None:
    """Chooses the grids of both encoders from training parts, and switches them to the numbers that run."""
    net.eval()
    encoders = (net.image.encoder, net.image.marks, net.image.heat, net.image.shade, net.series)
    for m in encoders:
        set_mode(m, "observe")
    chosen = np.linspace(0, len(line.kind) - 1, parts).astype(int)
    for at in range(0, parts, 8):
        images, _ = line_data.picture_batch(line, chosen[at:at + 8])
        net.image.shade(net.image.cells(Flow(images.float() / 255, PICTURE))[3])
    x, rows, _ = line_series.session_batch(line, np.linspace(0, len(line.features) - 1, sessions).astype(int))
    line_series.heads(net.series, Flow(x), rows)
    for m in encoders:
        set_mode(m, "quantize")


@torch.no_grad()
def observe_heads(net: LineNet, e: Encoded) -> None:
    for m in net.head_modules():
        m.eval()
        set_mode(m, "observe")
    n = len(e.vector.data)
    here, gone = torch.ones(n, 1, 1, 1), torch.zeros(n, 1, 1, 1)
    for has_image, has_series in ((here, here), (gone, here), (here, gone)):
        net.judge(e, has_image, has_series)
    for m in net.head_modules():
        set_mode(m, "quantize")


def without_training(plain: LineNet, bits: str | None, lines: dict, options: argparse.Namespace) -> dict:
    """Scores of the fp32 network rounded to the grids as it is; bits "s8": eight-bit weights throughout."""
    net = copy.deepcopy(plain)
    for m in net.modules():
        if bits and isinstance(m, Conv2d):
            m.numbers = Weights(len(m.weight), m.weight[0].numel(), bits, 0)
    fold(net)
    observe(net, lines["train"])
    encoded = {n: encode_as_shipped(net, lines[n], options.cache / n, options.simulator) for n in JUDGED}
    observe_heads(net, encoded["train"].part(np.arange(0, len(lines["train"].kind), 8)))
    return {name: line_heads.scores(net, encoded[name]) for name in ("calibrate", "test")}


def train_heads(net: LineNet, line: line_data.Line, e: Encoded, epochs: int) -> None:
    net.image.worst.fit(e.worst.data.flatten(1))
    line_heads.fit(net, line, e, epochs, 2e-3, SEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--simulator", default="build/tools/dsmm",
                        help="the dsmm program: draws the parts, and encodes them in integers")
    parser.add_argument("--cache", type=Path, default=Path("build/training/line"))
    parser.add_argument("--out", type=Path, default=Path("models/line.dsmm"))
    parser.add_argument("--picture-steps", type=int, default=10000)
    parser.add_argument("--near-steps", type=int, default=4000, help="picture steps on what is easily confused")
    parser.add_argument("--series-epochs", type=int, default=40)
    parser.add_argument("--tune-steps", type=int, default=800, help="picture steps on the integers that run")
    parser.add_argument("--rounded", action="store_true", help="also judge by weights rounded without training")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    options.cache.mkdir(parents=True, exist_ok=True)
    lines = simulate(options.simulator, options.cache)
    train, both = lines["train"], [lines["more"], lines["extra"]]
    series = line_data.merge(both)

    net = LineNet().to(memory_format=torch.channels_last)
    cache = Cache(options.cache, net)
    steps, epochs = options.picture_steps, options.series_epochs
    cache.stage("image_fp32", net.image, lambda: line_image.fit(net.image, both, steps, 2e-3, SEED, brief=True))
    suspects = cache.made("suspects", lambda: line_image.suspect(net.image, both))
    near = partial(line_image.fit, net.image, both, margin=2, suspects=suspects)
    cache.stage("image_near", net.image, lambda: near(options.near_steps, 1e-3, SEED + 2, brief=True))
    net.series.scale.fit(torch.from_numpy(np.concatenate(series.features)))
    cache.stage("series_fp32", net.series, lambda: line_series.fit(net.series, series, epochs, 2e-3, SEED))
    encoded = {name: cache.made(f"{name}_fp32", lambda: line_heads.encode(net, lines[name])) for name in JUDGED}
    cache.stage("heads_fp32", net, lambda: train_heads(net, train, encoded["train"], 30))
    plain = copy.deepcopy(net)
    judged = {"fp32": {name: line_heads.scores(net, encoded[name]) for name in ("calibrate", "test")}}

    fold(net)
    observe(net, train)
    cache.stage("image_int4", net.image, lambda: near(options.tune_steps, 4e-4, SEED + 1))
    cache.stage("series_int4", net.series, lambda: line_series.fit(net.series, series, 2, 2e-4, SEED + 1))
    encoded = {name: cache.made(f"{name}_int4", lambda: encode_as_shipped(net, lines[name], options.cache / name,
                                                                          options.simulator)) for name in JUDGED}
    observe_heads(net, encoded["train"].part(np.arange(0, len(train.kind), 8)))
    cache.stage("heads_int4", net, lambda: line_heads.fit(net, train, encoded["train"], 10, 5e-4, SEED + 1))
    judged["int4"] = {name: line_heads.scores(net, encoded[name]) for name in ("calibrate", "test")}
    for name, bits in (("int4 rounded", None), ("int8 rounded", "s8")) if options.rounded else ():
        judged[name] = without_training(plain, bits, lines, options)
    for name, here in (("int4 no image", (0, 1)), ("int4 no series", (1, 0))):
        judged[name] = {n: line_heads.scores(net, encoded[n], *here) for n in ("calibrate", "test")}

    line, score = lines["calibrate"], judged["int4"]["calibrate"]
    warm = line.warm
    good = warm & (line.label == 0)
    bad = line.label == 1
    knots = np.stack([p_value_knots(score[s][good], float(np.median(score[s][bad]))) for s in ("image", "series")])
    for version in judged.values():
        for s in version.values():
            s["late"] = late_scores(knots, s["image"], s["series"])
    names = ("image", "series", "joint", "late")
    thresholds = {s: metrics.best_threshold(score[s][warm], line.label[warm]) for s in names}
    model = export(net, knots, thresholds | {"map": 0.5}, "joint")
    size = model.save(options.out)
    print(f"{options.out}: {size} bytes")
    line_report.onnx(plain, options.cache / "line_fp32.onnx")
    line_report.report(lines, judged, options.out, options.cache, options.simulator)


if __name__ == "__main__":
    main()
