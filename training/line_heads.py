# SPDX-License-Identifier: Apache-2.0
"""Training of what reads both sides: picture score, series score, joint score and class, on encodings made once."""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

import line_series
from dsmm_train.graph import Flow
from dsmm_train.layers import fold, max_pool
from line_data import Line, picture_batch
from line_net import PICTURE, Fusion, ImageNet, SeriesNet

DROPOUT = 0.3  # share of parts that one side is hidden from


@dataclass
class Encoded:
    """Every part of a line after the encoders."""

    strips: Flow   # (N, 64, 8, 1)
    finest: Flow   # (N, 32, 1, 1)
    worst: Flow    # (N, 2, 1, 1)
    memory: Flow   # (N, 64, MEMORY, 1)
    vector: Flow   # (N, 64, 1, 1)

    def part(self, at: np.ndarray) -> Encoded:
        index = torch.from_numpy(at)
        return Encoded(*(Flow(f.data[index], f.grid) for f in vars(self).values()))


class LineNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image, self.series, self.fusion = ImageNet(), SeriesNet(), Fusion()

    def judge(self, e: Encoded, has_image: torch.Tensor, has_series: torch.Tensor) -> tuple[Flow, Flow, Flow, Flow]:
        """image, series and joint score, class logits; the flags are (N, 1, 1, 1)."""
        summary = self.image.both(e.finest, self.image.worst(e.worst))
        joint, kind = self.fusion(Flow(has_image), Flow(has_series), e.strips, summary, e.memory, e.vector)
        return self.image.judge(summary), self.series.pool.score(e.vector), joint, kind

    def head_modules(self) -> list[nn.Module]:
        i = self.image
        return [i.worst, i.both, i.hidden, i.score, self.series.pool.score, self.fusion]


def strips_of(coarse: Flow) -> Flow:
    """The coarse map's strongest response per strip of two rows: tokens (8, 1, 64)."""
    return max_pool(coarse, (2, coarse.data.shape[3]))


@torch.no_grad()
def encode_pictures(net: ImageNet, line: Line, batch: int = 16) -> tuple[Flow, Flow, Flow]:
    """strips, finest and worst of every part."""
    net = copy.deepcopy(net).eval()
    fold(net)  # nearly twice as quick
    out: list[list[torch.Tensor]] = [[], [], []]
    grids, start = (None,) * 3, time.monotonic()
    for at in range(0, len(line.kind), batch):
        images, _ = picture_batch(line, np.arange(at, min(at + batch, len(line.kind))))
        x = (images.float() / 255).contiguous(memory_format=torch.channels_last)
        fine, coarse, marks, _ = net.cells(Flow(x, PICTURE))
        flows = strips_of(coarse), max_pool(fine), max_pool(marks)
        grids = tuple(f.grid for f in flows)
        for kept, f in zip(out, flows):
            kept.append(f.data.contiguous())
        if at % 1600 == 0:
            print(f"encode {at}/{len(line.kind)}  {time.monotonic() - start:.0f} s", flush=True)
    return tuple(Flow(torch.cat(kept), g) for kept, g in zip(out, grids))


def encode(net: LineNet, line: Line) -> Encoded:
    memory, vector, _, _ = line_series.scan(net.series, line)
    return Encoded(*encode_pictures(net.image, line), memory, vector)


def fit(net: LineNet, line: Line, e: Encoded, epochs: int, rate: float, seed: int, batch: int = 256) -> None:
    """Trains the heads; the encoders stay. Only parts with a warm series are used."""
    generator = torch.Generator().manual_seed(seed)
    warm = np.flatnonzero(line.warm)
    label = torch.from_numpy(line.label).float()
    kinds = torch.from_numpy(line.kind)
    parameters = [p for m in net.head_modules() for p in m.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=rate, weight_decay=0.02)
    steps = epochs * -(-len(warm) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    for m in net.head_modules():
        m.train()
    start = time.monotonic()
    for epoch in range(1, epochs + 1):
        order = warm[torch.randperm(len(warm), generator=generator).numpy()]
        total = 0.0
        for at in range(0, len(order), batch):
            index = order[at:at + batch]
            chance = torch.rand(len(index), 1, 1, 1, generator=generator)
            has_image, has_series = (chance >= DROPOUT / 2).float(), (chance < 1 - DROPOUT / 2).float()
            image, series, joint, kind = net.judge(e.part(index), has_image, has_series)
            want, cross = label[index], F.binary_cross_entropy_with_logits
            bad = torch.from_numpy(np.flatnonzero(line.kind[index] >= 0))
            value = cross(image.data.flatten(), want) + cross(series.data.flatten(), want) + \
                2 * cross(joint.data.flatten(), want) + \
                0.3 * F.cross_entropy(kind.data.flatten(1)[bad], kinds[index][bad])
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            total += value.item() * len(index)
        if epoch % 5 == 0 or epoch == epochs:
            spent = time.monotonic() - start
            print(f"heads {epoch}/{epochs}  loss {total / len(order):.4f}  {spent:.0f} s", flush=True)


@torch.no_grad()
def scores(net: LineNet, e: Encoded, has_image: float = 1, has_series: float = 1) -> dict[str, np.ndarray]:
    """image, series, joint (N,) and class (N, 9)."""
    net.eval()
    n = len(e.vector.data)
    flag = lambda v: torch.full((n, 1, 1, 1), float(v))
    image, series, joint, kind = net.judge(e, flag(has_image), flag(has_series))
    return {"image": image.data.flatten().numpy(), "series": series.data.flatten().numpy(),
            "joint": joint.data.flatten().numpy(), "class": kind.data.flatten(1).numpy()}
