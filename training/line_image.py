# SPDX-License-Identifier: Apache-2.0
"""Training of the picture side of the line model."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn import functional as F

from dsmm_train.graph import Flow
from line_data import Line
from line_net import PICTURE, SIZE, ImageNet

CROP = 192
PLACES = (SIZE - CROP) // 32 + 1  # of a crop along an axis
# How often each sort of part is drawn: good without a mark, weak rub mark, then the five picture defects.
SHARES = np.array([0.22, 0.06, 0.18, 0.17, 0.14, 0.13, 0.10])


def targets(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """marks (n, 2, h, w) 0/1: defect, weak rub mark; heat (n, 1, h, w) 0..1."""
    defect, weak = (masks > 192).float(), ((masks > 64) & (masks <= 192)).float()
    return torch.stack([defect, weak], 1), (defect + 0.7 * weak)[:, None]


class Pool:
    """Parts of one or more lines, sorted by what their picture shows."""

    def __init__(self, lines: list[Line]) -> None:
        self.lines = lines
        which = np.concatenate([np.full(len(line.kind), i) for i, line in enumerate(lines)])
        part = np.concatenate([np.arange(len(line.kind)) for line in lines])
        kind, weak = (np.concatenate([getattr(line, f) for line in lines]) for f in ("kind", "weak_mark"))
        sort = np.select([(kind >= 0) & (kind < 5), weak > 0], [kind + 2, 1], 0)
        self.members = [np.stack([which, part], 1)[sort == s] for s in range(len(SHARES))]

    def draw(self, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Crops u8 (n, 1, CROP, CROP) that show the part's mark if it has one, their masks, their places (n, 2)."""
        images = np.empty((batch, 1, CROP, CROP), np.uint8)
        masks = np.empty((batch, CROP // 8, CROP // 8), np.uint8)
        at = np.empty((batch, 2), np.int64)
        for i, sort in enumerate(rng.choice(len(SHARES), batch, p=SHARES)):
            which, part = self.members[sort][rng.integers(len(self.members[sort]))]
            line = self.lines[which]
            cells = np.argwhere(line.masks[part])
            low, high = np.zeros(2, np.int64), np.full(2, PLACES - 1)
            if len(cells):
                cell = cells[rng.integers(len(cells))] // 4  # in units of 32 pixels; stays inside the crop
                low, high = np.maximum(cell - (CROP // 32 - 1), 0), np.minimum(cell, PLACES - 1)
            at[i] = rng.integers(low, high + 1)
            y, x = at[i]
            images[i, 0] = line.images[part, y * 32:y * 32 + CROP, x * 32:x * 32 + CROP]
            masks[i] = line.masks[part, y * 4:y * 4 + CROP // 8, x * 4:x * 4 + CROP // 8]
        return torch.from_numpy(images), torch.from_numpy(masks), torch.from_numpy(at)


def vary(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """u8 pictures -> the same under another light, still on the u8 grid, as 0..1."""
    n = x.shape[0]
    gain = 0.85 + 0.3 * torch.rand(n, 1, 1, 1, generator=generator)
    shift = 24 * torch.rand(n, 1, 1, 1, generator=generator) - 12
    return torch.round(x.float() * gain + shift).clamp_(0, 255) / 255


def loss(marks: torch.Tensor, heat: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Every cell, and the strongest cell of each picture, in cross entropy."""
    want, want_heat = targets(masks)
    weight = 1 + 7 * want
    cells = F.binary_cross_entropy_with_logits(marks, want, weight=weight) * 20
    top = F.binary_cross_entropy_with_logits(marks.amax((2, 3)), want.amax((2, 3)))
    warm = F.binary_cross_entropy_with_logits(heat, want_heat, weight=1 + 4 * (want_heat > 0)) * 10
    return cells + top + warm


def fit(net: ImageNet, lines: list[Line], steps: int, rate: float, seed: int, batch: int = 12,
        checkpoint: str | None = None) -> None:
    """Trains encoder, marks and heat on crops; in "quantize" mode too. checkpoint: a file for the weights so far."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    pool = Pool(lines)
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    start, mean = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        images, masks, at = pool.draw(rng, batch)
        x = vary(images, generator).contiguous(memory_format=torch.channels_last)
        _, _, marks, heat = net.cells(Flow(x, PICTURE), at)
        value = loss(marks.data, heat.data, masks)
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        mean = value.item() if step == 1 else 0.98 * mean + 0.02 * value.item()
        if step % 100 == 0:
            if checkpoint:
                torch.save(net.state_dict(), checkpoint)
            print(f"picture {step}/{steps}  loss {mean:.4f}  {time.monotonic() - start:.0f} s", flush=True)
