# SPDX-License-Identifier: Apache-2.0
"""Trains the board detector on DeepPCB and measures it on the official test list.

    python training/deeppcb.py --data ../shared/data --cache build/training
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

import datasets
from datasets import deeppcb
from dsmm_train.graph import Flow
from dsmm_train.quant import Grid
from deeppcb_net import CELL, Detector, loss, targets

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
