# SPDX-License-Identifier: Apache-2.0
"""Trains the steel strip classifier on X-SDD from scratch and measures it on the test list.

    python training/xsdd.py --data ../shared/data --cache build/training --out models/xsdd.dsmm

Float training, then a shorter one on the integers that run, for every seed. The int4 figures are those of the written
file, run by the exact integer reference; the file that is kept is the first seed's.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import datasets
from datasets import xsdd
from dsmm_train.dsmm_file import Model, load
from dsmm_train.graph import Flow, graph_input, graph_output, set_mode, tracing
from dsmm_train.layers import Conv2d, Linear, avg_pool, fold
from dsmm_train.quant import Grid
from dsmm_train.reference import Reference
from xsdd_score import report

BATCH = 32
PICTURE = Grid(1 / 255, 0)


class Classifier(nn.Module):
    """x (n, 1, 128, 128) -> logits (n, 7, 1, 1). First layer and head have 8-bit weights, all others 4-bit ones."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.ModuleList([Conv2d(1, 16, 5, 2, bits="s8"), Conv2d(16, 24, 3, 2), Conv2d(24, 48, 3, 2),
                                   Conv2d(48, 48), Conv2d(48, 96, 3, 2), Conv2d(96, 96)])
        self.pool = avg_pool()
        self.head = Linear(96, len(xsdd.LABELS), bits="s8", out="f32")

    def forward(self, x: Flow) -> Flow:
        for layer in self.body:
            x = layer(x)
        return self.head(self.pool(x))


def vary(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirrored, moved by up to 12 pixels, stretched a little, lit differently: the strip stays what it is."""
    out = np.empty(images.shape[:3], np.float32)
    for i, image in enumerate(images[..., 0]):
        side = int(rng.integers(104, xsdd.SIZE + 1))
        y, x = (int(v) for v in rng.integers(0, xsdd.SIZE - side + 1, 2))
        piece = image[y:y + side, x:x + side]
        piece = piece[:, ::-1] if rng.random() < 0.5 else piece
        piece = piece[::-1] if rng.random() < 0.5 else piece
        at = np.arange(xsdd.SIZE) * side // xsdd.SIZE
        out[i] = piece[at[:, None], at] * rng.uniform(0.8, 1.2) + rng.uniform(-20, 20)
    return out.clip(0, 255)[:, None] / 255


def fit(net: nn.Module, images: np.ndarray, labels: np.ndarray, epochs: int, rate: float, seed: int) -> None:
    net.train()
    rng = np.random.default_rng(seed)
    weight = torch.from_numpy((len(labels) / np.bincount(labels) / 7) ** 0.5).float()
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.02)
    steps = epochs * (len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.15)
    start = time.monotonic()
    for epoch in range(1, epochs + 1):
        order, total = rng.permutation(len(labels)), 0.0
        for k in range(len(labels) // BATCH):
            pick = order[k * BATCH:(k + 1) * BATCH]
            x = torch.from_numpy(vary(images[pick], rng)).contiguous(memory_format=torch.channels_last)
            logits = net(Flow(x, PICTURE)).data.flatten(1)
            value = F.cross_entropy(logits, torch.from_numpy(labels[pick]), weight, label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
            total += value.item()
        if epoch % 5 == 0:
            print(f"seed {seed} epoch {epoch}/{epochs}  loss {total / (len(labels) // BATCH):.3f}  "
                  f"{time.monotonic() - start:.0f} s", flush=True)


def flow(images: np.ndarray) -> Flow:
    return Flow(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255, PICTURE)


def guess(net: Classifier, images: np.ndarray) -> np.ndarray:
    net.eval()
    with torch.no_grad():
        return net(flow(images)).data.flatten(1).argmax(1).numpy()


def quantize(net: Classifier, images: np.ndarray) -> None:
    """Observes ranges on training pictures and moves the network onto the grids."""
    net.eval()
    fold(net)
    set_mode(net, "observe")
    with torch.no_grad():
        net(flow(images))
    set_mode(net, "quantize")


def export(net: Classifier) -> Model:
    model = Model()
    net.eval()
    with tracing(model):
        model.program("frame")
        graph_output(net(graph_input("image", "u8", (xsdd.SIZE, xsdd.SIZE, 1), PICTURE)), "class")
    model.meta |= {"product": "steel strip", "name": "steel", "image.width": str(xsdd.SIZE),
                   "image.height": str(xsdd.SIZE), "image.format": "gray8", "data": "X-SDD, Apache-2.0",
                   "labels": ",".join(xsdd.LABELS)}
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    datasets.add_argument(parser)
    parser.add_argument("--cache", type=Path, default=Path("build/training"), help="float weights are kept here")
    parser.add_argument("--out", type=Path, default=Path("build/training/xsdd.dsmm"))
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--tune", type=int, default=10, help="epochs on the integers that run")
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    data = xsdd.read(datasets.folder(arguments.data, "xsdd"))
    (images, labels), (test, truth) = data["train"], data["test"]
    arguments.cache.mkdir(parents=True, exist_ok=True)
    before, after = [], []
    for seed in range(arguments.seeds):
        torch.manual_seed(seed)
        net = Classifier().to(memory_format=torch.channels_last)
        kept = arguments.cache / f"xsdd_float_{seed}.pt"
        if kept.exists():
            net.load_state_dict(torch.load(kept))
        else:
            fit(net, images, labels, arguments.epochs, 4e-3, seed)
            torch.save(net.state_dict(), kept)
        before.append(guess(net, test))
        quantize(net, images[::4])
        if arguments.tune:
            fit(net, images, labels, arguments.tune, 4e-4, seed + 1000)
        path = arguments.out if seed == 0 else arguments.cache / f"xsdd_{seed}.dsmm"
        size = export(net).save(path)
        scores = Reference(load(path)).run("frame", {"image": test})["class"]
        after.append(scores.reshape(len(test), -1).argmax(1))
        print(f"seed {seed}: {path}, {size} bytes, {int((before[-1] != after[-1]).sum())} of {len(test)} decisions "
              f"differ between float and int4", flush=True)
    report("float", before, truth)
    report("int4, exact integers", after, truth)


if __name__ == "__main__":
    main()
