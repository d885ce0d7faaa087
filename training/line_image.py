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

CROP = 256
PLACES = (SIZE - CROP) // 32 + 1  # of a crop along an axis


def targets(masks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """marks (n, 2, h, w) 0/1: defect, weak rub mark; heat (n, 1, h, w) 0..1."""
    defect, weak = (masks > 192).float(), ((masks > 64) & (masks <= 192)).float()
    return torch.stack([defect, weak], 1), (defect + 0.7 * weak)[:, None]


def draw(line: Line, parts: np.ndarray, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """Crops of random parts, most of them with a mark in view, all at one place; and that place in 32 pixels."""
    images = np.empty((batch, CROP, CROP), np.uint8)
    masks = np.empty((batch, CROP // 8, CROP // 8), np.uint8)
    row, column = (int(v) for v in rng.integers(0, PLACES, 2))
    for i in range(batch):
        for attempt in range(6):
            part = parts[rng.integers(len(parts))]
            mask = line.masks[part, row * 4:row * 4 + CROP // 8, column * 4:column * 4 + CROP // 8]
            if mask.any() or attempt == 5 or rng.random() < 0.25:
                break
        images[i] = line.images[part, row * 32:row * 32 + CROP, column * 32:column * 32 + CROP]
        masks[i] = mask
    return torch.from_numpy(images)[:, None], torch.from_numpy(masks), row, column


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


def fit(net: ImageNet, line: Line, parts: np.ndarray, steps: int, rate: float, seed: int, batch: int = 8,
        checkpoint: str | None = None) -> None:
    """Trains encoder, marks and heat on crops; in "quantize" mode too. checkpoint: a file for the weights so far."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    start, mean = time.monotonic(), 0.0
    for step in range(1, steps + 1):
        images, masks, row, column = draw(line, parts, rng, batch)
        x = vary(images, generator).contiguous(memory_format=torch.channels_last)
        _, _, marks, heat = net.cells(Flow(x, PICTURE), row, column)
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
