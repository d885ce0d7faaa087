# SPDX-License-Identifier: Apache-2.0
"""Training of the picture side of the line model."""

from __future__ import annotations

import copy
import time
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional as F

from dsmm_train.graph import Flow
from dsmm_train.layers import fold
from line_data import Line, picture_batch
from line_net import PICTURE, SIZE, ImageNet

CROP = 160
PLACES = (SIZE - CROP) // 32 + 1  # of a crop along an axis
# How often each sort of part is drawn: good without a mark, weak rub mark, then the five picture defects.
SHARES = np.array([0.24, 0.10, 0.18, 0.18, 0.12, 0.09, 0.09])
NEAR_SHARES = np.array([0.24, 0.08, 0.26, 0.18, 0.12, 0.06, 0.06])  # once the rest is learned
EASY = 0.15  # a part that is already judged well is drawn this often, relative to one that costs 1 nat
MARKED = 2   # the first sort that shows a defect


def targets(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """marks (n, 2, h, w) 0/1: defect, weak rub mark; heat (n, 1, h, w) 0..1."""
    defect, weak = (masks > 192).float(), ((masks > 64) & (masks <= 192)).float()
    return torch.stack([defect, weak], 1), (defect + 0.7 * weak)[:, None]


class Crops(NamedTuple):
    images: torch.Tensor  # u8 (n, 1, CROP, CROP)
    masks: torch.Tensor   # u8 (n, CROP / 8, CROP / 8)
    at: torch.Tensor      # (n, 2) row and column in units of 32 pixels
    parts: np.ndarray     # (n, 2) sort, index among the parts of that sort; negative: nothing to learn from its cost


class Pool:
    """Parts of one or more lines, sorted by what their picture shows; within a sort the costly ones come more often.

    suspects: from suspect(); then half of the crops without a defect show what looks most like one.
    """

    def __init__(self, lines: list[Line], suspects: list[np.ndarray] | None = None) -> None:
        self.lines = lines
        which = np.concatenate([np.full(len(line.kind), i) for i, line in enumerate(lines)])
        part = np.concatenate([np.arange(len(line.kind)) for line in lines])
        kind, weak = (np.concatenate([getattr(line, f) for line in lines]) for f in ("kind", "weak_mark"))
        sort = np.select([(kind >= 0) & (kind < 5), weak > 0], [kind + 2, 1], 0)
        self.members = [np.stack([which, part], 1)[sort == s] for s in range(len(SHARES))]
        self.cost = [np.ones(len(m)) for m in self.members]
        self.suspects = suspects
        for sort in range(MARKED if suspects else 0):
            logit = np.array([suspects[i][p, 2] for i, p in self.members[sort]])
            self.cost[sort] = np.minimum(np.logaddexp(0, logit), 3.0)

    def choose(self, rng: np.random.Generator, sort: int) -> tuple[int, np.ndarray]:
        """A part of that sort, and the cells (n, 2) of which the crop must show one."""
        aimed = not self.suspects or sort >= MARKED or rng.random() < 0.5
        chance = np.cumsum(self.cost[sort] + EASY if aimed else np.ones(len(self.members[sort])))
        member = int(np.searchsorted(chance, rng.random() * chance[-1]))
        which, part = self.members[sort][member]
        if self.suspects and sort < MARKED:
            spot = self.suspects[which][part:part + 1, :2].astype(int)
            return (member, spot) if aimed else (-1 - member, spot[:0])
        return member, np.argwhere(self.lines[which].masks[part])

    def draw(self, rng: np.random.Generator, batch: int) -> Crops:
        """Crops that show the part's mark if it has one, mirrored or not along each axis."""
        images = np.empty((batch, 1, CROP, CROP), np.uint8)
        masks = np.empty((batch, CROP // 8, CROP // 8), np.uint8)
        at, parts = np.empty((batch, 2), np.int64), np.empty((batch, 2), np.int64)
        for i, sort in enumerate(rng.choice(len(SHARES), batch, p=NEAR_SHARES if self.suspects else SHARES)):
            member, cells = self.choose(rng, sort)
            which, part = self.members[sort][member if member >= 0 else -1 - member]
            line = self.lines[which]
            low, high = np.zeros(2, np.int64), np.full(2, PLACES - 1)
            if len(cells):
                cell = cells[rng.integers(len(cells))] // 4  # in units of 32 pixels; stays inside the crop
                low, high = np.maximum(cell - (CROP // 32 - 1), 0), np.minimum(cell, PLACES - 1)
            y, x = rng.integers(low, high + 1)
            image = line.images[part, y * 32:y * 32 + CROP, x * 32:x * 32 + CROP]
            mask = line.masks[part, y * 4:y * 4 + CROP // 8, x * 4:x * 4 + CROP // 8]
            ways = tuple(slice(None, None, -1 if turn else 1) for turn in rng.integers(0, 2, 2))
            images[i, 0], masks[i] = image[ways], mask[ways]
            at[i] = [PLACES - 1 - v if way.step < 0 else v for v, way in zip((y, x), ways)]
            parts[i] = sort, member
        return Crops(torch.from_numpy(images), torch.from_numpy(masks), torch.from_numpy(at), parts)

    def learn(self, crops: Crops, cost: np.ndarray) -> None:
        """cost (n,): of each crop's strongest cells, in nats."""
        for (sort, member), c in zip(crops.parts, cost):
            if member >= 0:
                self.cost[sort][member] = 0.5 * self.cost[sort][member] + 0.5 * min(c, 3.0)


def vary(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """u8 pictures -> the same under another light, still on the u8 grid, as 0..1."""
    n = x.shape[0]
    gain = 0.85 + 0.3 * torch.rand(n, 1, 1, 1, generator=generator)
    shift = 24 * torch.rand(n, 1, 1, 1, generator=generator) - 12
    return torch.round(x.float() * gain + shift).clamp_(0, 255) / 255


@torch.no_grad()
def suspect(net: ImageNet, lines: list[Line], batch: int = 16) -> list[np.ndarray]:
    """Where each part without a picture defect looks most like one: row and column of the cell, logit (N, 3)."""
    net = copy.deepcopy(net).eval()
    fold(net)
    out = []
    for line in lines:
        found = np.zeros((len(line.kind), 3), np.float32)
        clean = np.flatnonzero(~line.image_defect)
        for at in range(0, len(clean), batch):
            parts = clean[at:at + batch]
            x = picture_batch(line, parts)[0].contiguous(memory_format=torch.channels_last)
            with torch.autocast("cpu", torch.bfloat16):
                marks = net.cells(Flow(x.float() / 255, PICTURE))[2].data[:, 0].float().flatten(1)
            top, cell = marks.max(1)
            found[parts] = np.stack([cell // (SIZE // 8), cell % (SIZE // 8), top], 1)
        out.append(found)
    return out


def loss(marks: torch.Tensor, heat: torch.Tensor, masks: torch.Tensor, margin: int = 0) -> tuple[torch.Tensor,
                                                                                             torch.Tensor]:
    """Every cell, and the strongest cell of each picture, in cross entropy; the latter also per picture (n,).

    margin: so many cells around a mark count for nothing in `marks`; the heat map still has to end where it ends.
    """
    want, want_heat = targets(masks)
    weight = 1 + 7 * want
    if margin:
        weight = weight * (1 - F.max_pool2d(want, 2 * margin + 1, 1, margin) + want)
    cells = F.binary_cross_entropy_with_logits(marks, want, weight=weight) * 20
    tops = F.binary_cross_entropy_with_logits(marks.amax((2, 3)), want.amax((2, 3)), reduction="none").sum(1)
    warm = F.binary_cross_entropy_with_logits(heat, want_heat, weight=1 + 4 * (want_heat > 0)) * 10
    return cells + tops.mean() + warm, tops.detach()


def fit(net: ImageNet, lines: list[Line], steps: int, rate: float, seed: int, batch: int = 16,
        brief: bool = False, margin: int = 0, suspects: list[np.ndarray] | None = None) -> None:
    """Trains encoder, marks and heat on crops; in "quantize" mode too.

    brief: multiplies in bfloat16, twice as quick, for float mode only; margin: of loss(); suspects: of Pool.
    """
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    pool = Pool(lines, suspects)
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    start, mean = time.monotonic(), np.zeros(2)
    for step in range(1, steps + 1):
        crops = pool.draw(rng, batch)
        x = vary(crops.images, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=brief):
            _, _, marks, heat = net.cells(Flow(x, PICTURE), crops.at)
        value, tops = loss(marks.data.float(), heat.data.float(), crops.masks, margin)
        pool.learn(crops, tops.numpy())
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        mean += (np.array([value.item(), tops.mean().item()]) - mean) * max(1 / step, 0.01)
        if step % 200 == 0:
            print(f"picture {step}/{steps}  loss {mean[0]:.4f}, of it tops {mean[1]:.4f}  "
                  f"{time.monotonic() - start:.0f} s", flush=True)
