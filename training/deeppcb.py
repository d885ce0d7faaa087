# SPDX-License-Identifier: Apache-2.0
"""Trains the board detector on DeepPCB and measures it on the official test list.

    python training/deeppcb.py --data ../shared/data --cache build/training --out models/pcb.dsmm

Float training, then a shorter one on the integers that run. The int4 figures are those of the written file, run by
the exact integer reference.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

import datasets
from datasets import deeppcb
from dsmm_train.dsmm_file import Model, load
from dsmm_train.graph import Flow, graph_input, graph_output, set_mode, tracing
from dsmm_train.layers import fold, reduce
from dsmm_train.quant import Grid
from dsmm_train.reference import Reference
from deeppcb_net import CELL, Detector, decode, loss, targets
from deeppcb_score import Judged, report, set_thresholds

PICTURE = Grid(1 / 255, 0)
CROP = 256
BATCH = 8


def turn(image: np.ndarray, boxes: np.ndarray, way: int) -> tuple[np.ndarray, np.ndarray]:
    """One of the eight symmetries of a square."""
    size = image.shape[0]
    boxes = boxes.copy()
    if way & 1:
        image, boxes[:, [0, 2]] = image[:, ::-1], size - boxes[:, [2, 0]]
    if way & 2:
        image, boxes[:, [1, 3]] = image[::-1], size - boxes[:, [3, 1]]
    if way & 4:
        image, boxes[:, :4] = image.transpose(1, 0, 2), boxes[:, [1, 0, 3, 2]]
    return image, boxes


def draw(pairs: list[deeppcb.Pair], rng: np.random.Generator) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """A random crop of a random pair, turned, its template moved by up to two pixels: boards never lie quite alike."""
    pair = pairs[rng.integers(len(pairs))]
    high = deeppcb.SIZE - CROP
    x, y = (int(v) for v in rng.integers(0, high // CELL + 1, 2) * CELL)
    image = pair.image[y:y + CROP, x:x + CROP].copy()
    dx, dy = (int(v) for v in rng.integers(-2, 3, 2))
    tx, ty = min(max(x + dx, 0), high), min(max(y + dy, 0), high)
    image[..., 1] = pair.image[ty:ty + CROP, tx:tx + CROP, 1]
    boxes = pair.boxes - np.array([x, y, x, y, 0])
    inner = np.clip(boxes[:, :4], 0, CROP)
    centre = (boxes[:, :2] + boxes[:, 2:4]) / 2
    whole = ((centre > 0) & (centre < CROP)).all(1)
    cut = ~whole & (inner[:, 2] > inner[:, 0]) & (inner[:, 3] > inner[:, 1])
    way = int(rng.integers(8))
    cells = CROP // CELL
    turned, kept = turn(image, boxes[whole], way)
    defect, weight, kind, sides = targets(kept, cells)
    for left, top, right, bottom, _ in turn(image, boxes[cut], way)[1]:  # half a defect is neither good nor typical
        area = np.s_[max(0, top) // CELL:-(-bottom // CELL), max(0, left) // CELL:-(-right // CELL)]
        weight[area] = defect[area]
    return turned, (defect, weight, kind, sides)


def batches(pairs: list[deeppcb.Pair], steps: int, seed: int):
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        drawn = [draw(pairs, rng) for _ in range(BATCH)]
        x = torch.from_numpy(np.stack([d[0] for d in drawn])).permute(0, 3, 1, 2).float() / 255
        yield x.contiguous(memory_format=torch.channels_last), tuple(
            torch.from_numpy(np.stack(part)) for part in zip(*[d[1] for d in drawn]))


def fit(net: torch.nn.Module, pairs: list[deeppcb.Pair], steps: int, rate: float, seed: int) -> None:
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    start, mean = time.monotonic(), 0.0
    for step, (x, want) in enumerate(batches(pairs, steps, seed), 1):
        value = loss(tuple(y.data for y in net(Flow(x, PICTURE))), want)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        mean = value.item() if step == 1 else 0.98 * mean + 0.02 * value.item()
        if step % 100 == 0:
            print(f"step {step}/{steps}  loss {mean:.3f}  {time.monotonic() - start:.0f} s", flush=True)


def flow(pairs: list[deeppcb.Pair]) -> Flow:
    x = torch.from_numpy(np.stack([p.image for p in pairs])).permute(0, 3, 1, 2).float() / 255
    return Flow(x.contiguous(memory_format=torch.channels_last), PICTURE)


def judge(pairs: list[deeppcb.Pair], run) -> list[Judged]:
    """run(pair) -> logit (80, 80), kind (80, 80, 6), sides (80, 80, 4)"""
    judged = []
    for p in pairs:
        logit, kind, sides = run(p)
        judged.append(Judged(p.boxes, decode(logit, kind, sides), logit, deeppcb.SIZE))
    return judged


def float_run(net: Detector):
    def run(pair: deeppcb.Pair) -> tuple[np.ndarray, ...]:
        with torch.no_grad():
            logit, kind, sides = (y.data[0].permute(1, 2, 0).numpy() for y in net(flow([pair])))
        return logit[..., 0], kind, sides
    return run


def file_run(path: Path):
    reference = Reference(load(path))

    def run(pair: deeppcb.Pair) -> tuple[np.ndarray, ...]:
        out = reference.run("frame", {"image": pair.image[None]})
        return out["logit"][0, ..., 0], out["kind"][0], out["sides"][0]
    return run


def quantize(net: Detector, pairs: list[deeppcb.Pair]) -> None:
    """Observes ranges on pictures of the fit and moves the network onto the grids."""
    net.eval()
    fold(net)
    set_mode(net, "observe")
    with torch.no_grad():
        for p in pairs:
            net(flow([p]))
    set_mode(net, "quantize")


def export(net: Detector, thresholds: tuple[float, float]) -> Model:
    """thresholds: of a box, of a tile; the worst cell of a board is compared with the box threshold."""
    model = Model()
    net.eval()
    with tracing(model):
        model.program("frame")
        logit, kind, sides = net(graph_input("image", "u8", (deeppcb.SIZE, deeppcb.SIZE, 2), PICTURE))
        score, heat = reduce(logit, "max"), net.heat(logit)
        for y, name in ((logit, "logit"), (kind, "kind"), (sides, "sides"), (score, "image_score"), (heat, "map")):
            graph_output(y, name)
    model.meta |= {
        "product": "bare board", "name": "pcb", "decision": "image", "threshold.image": f"{thresholds[0]:.6g}",
        "threshold.tile": f"{thresholds[1]:.6g}", "threshold.map": f"{1 / (1 + np.exp(-thresholds[0])):.4f}",
        "image.width": str(deeppcb.SIZE), "image.height": str(deeppcb.SIZE), "image.channels": "test,template",
        "cell": str(CELL), "data": "DeepPCB, MIT", "labels": ",".join(deeppcb.LABELS)}
    return model


def flipped(pairs: list, before: list[Judged], after: list[Judged]) -> tuple[int, int]:
    """Test tiles that the two versions decide differently, each at its own threshold, and their number."""
    decided = []
    for judged in (before, after):
        threshold = set_thresholds(pairs, judged)[1]
        mine = [j for p, j in zip(pairs, judged) if p.split == "test"]
        decided.append(np.concatenate([j.tiles for j in mine]) >= threshold)
    return int((decided[0] != decided[1]).sum()), len(decided[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    datasets.add_argument(parser)
    parser.add_argument("--cache", type=Path, default=Path("build/training"), help="float weights are kept here")
    parser.add_argument("--out", type=Path, default=Path("build/training/pcb.dsmm"))
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--tune", type=int, default=400, help="steps on the integers that run")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    pairs = deeppcb.read(datasets.folder(arguments.data, "deeppcb"))
    taught = [p for p in pairs if p.split == "fit"]
    judged_pairs = [p for p in pairs if p.split != "fit"]
    torch.manual_seed(arguments.seed)
    net = Detector().to(memory_format=torch.channels_last)
    arguments.cache.mkdir(parents=True, exist_ok=True)
    kept = arguments.cache / f"pcb_float_{arguments.seed}.pt"
    if kept.exists():
        net.load_state_dict(torch.load(kept))
    else:
        fit(net, taught, arguments.steps, 3e-3, arguments.seed)
        torch.save(net.state_dict(), kept)
    net.eval()
    print("float")
    before = judge(judged_pairs, float_run(net))
    report(judged_pairs, before)

    quantize(net, taught[::8])
    if arguments.tune:
        fit(net, taught, arguments.tune, 3e-4, arguments.seed + 1000)
    export(net, (0.0, 0.0)).save(arguments.out)
    after = judge(judged_pairs, file_run(arguments.out))
    size = export(net, set_thresholds(judged_pairs, after)[:2]).save(arguments.out)
    print(f"int4, {arguments.out}, {size} bytes, exact integers")
    report(judged_pairs, after)
    changed, total = flipped(judged_pairs, before, after)
    print(f"  {changed} of {total} tile decisions differ between float and int4")


if __name__ == "__main__":
    main()
