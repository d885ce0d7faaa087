# SPDX-License-Identifier: Apache-2.0
"""Trains the steel strip classifier on X-SDD from scratch and measures it on the test list.

    python training/xsdd.py --data ../shared/data --cache build/training
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
from dsmm_train.graph import Flow
from dsmm_train.layers import Conv2d, Linear, avg_pool
from dsmm_train.quant import Grid

SEEDS = range(3)
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
            value = F.cross_entropy(net(Flow(x, PICTURE)).data.flatten(1), torch.from_numpy(labels[pick]), weight, label_smoothing=0.05)
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            schedule.step()
            total += value.item()
        if epoch % 5 == 0:
            print(f"seed {seed} epoch {epoch}/{epochs}  loss {total / (len(labels) // BATCH):.3f}  "
                  f"{time.monotonic() - start:.0f} s", flush=True)
