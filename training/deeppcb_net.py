# SPDX-License-Identifier: Apache-2.0
"""The board detector: one anchor-free head on a plain-conv encoder that sees test picture and template together.

Output cells are 8 pixels wide. A cell near the centre of a defect carries its logit, its type and the distances to the
four sides of its box.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from dsmm_train.graph import Flow
from dsmm_train.layers import Concat, Conv2d, Lut, QuantizeInput, resize
from dsmm_train.quant import Grid

CELL = 8
TYPES = 6
REACH = 1.5  # cells from a box centre that are taught as defect


class Detector(nn.Module):
    """x (n, 2, H, W): test picture, template -> logit (n, 1, H/8, W/8), kind (n, 6, ...), sides (n, 4, ...) in cells.

    The first layer and the heads have 8-bit weights, all others 4-bit ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.ModuleList([Conv2d(2, 12, 5, 2, bits="s8"), Conv2d(12, 24, 3, 2), Conv2d(24, 48, 3, 2),
                                   Conv2d(48, 64), Conv2d(64, 64)])
        self.wide = nn.ModuleList([Conv2d(64, 96, 3, 2), Conv2d(96, 96)])
        self.concat = Concat(positive=True)
        self.join = nn.ModuleList([Conv2d(160, 64, 1), Conv2d(64, 64)])
        self.logit = Conv2d(64, 1, 1, relu=False, bn=False, bits="s8", out="f32")
        self.kind = Conv2d(64, TYPES, 1, relu=False, bn=False, bits="s8", out="f32")
        self.sides = Conv2d(64, 4, 1, relu=True, bn=False, bits="s8", out="f32")
        for head in (self.logit, self.kind, self.sides):
            nn.init.normal_(head.weight, std=0.03)
        nn.init.constant_(self.logit.bias, -4.0)
        nn.init.constant_(self.sides.bias, 2.0)
        self.coarse, self.shade = QuantizeInput(1, 12.0), Lut(torch.sigmoid, Grid(1 / 255, 0))

    def cells(self, x: Flow) -> Flow:
        """What every cell sees, (n, 64, H/8, W/8)."""
        for layer in self.near:
            x = layer(x)
        wide = x
        for layer in self.wide:
            wide = layer(wide)
        h, w = x.data.shape[2:]
        y = self.concat(x, resize(wide, h, w))
        for layer in self.join:
            y = layer(y)
        return y

    def forward(self, x: Flow) -> tuple[Flow, Flow, Flow]:
        y = self.cells(x)
        return self.logit(y), self.kind(y), self.sides(y)

    def heat(self, logit: Flow) -> Flow:
        """The defect probability of every cell, u8 0..255 = 0..1."""
        return self.shade(self.coarse(logit))


def targets(boxes: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What the cells of a square picture should say.

    Returns defect (cells, cells) f32 0/1, weight f32 0/1 (0: inside a box, away from its centre, taught neither way),
    type s64 (-1 where no defect) and sides (4, cells, cells) f32 in cells: left, top, right, bottom.
    """
    defect = np.zeros((cells, cells), np.float32)
    weight = np.ones((cells, cells), np.float32)
    kind = np.full((cells, cells), -1, np.int64)
    sides = np.zeros((4, cells, cells), np.float32)
    y, x = np.mgrid[:cells, :cells] + 0.5
    for left, top, right, bottom, t in sorted(boxes.tolist(), key=lambda b: (b[0] - b[2]) * (b[3] - b[1])):
        l, u, r, d = (v / CELL for v in (left, top, right, bottom))
        inside = (x > l) & (x < r) & (y > u) & (y < d)
        core = inside & (abs(x - (l + r) / 2) <= REACH) & (abs(y - (u + d) / 2) <= REACH)
        weight[inside] = np.maximum(weight[inside] * 0, defect[inside])
        defect[core], weight[core], kind[core] = 1, 1, t
        sides[:, core] = np.stack([x - l, y - u, r - x, d - y])[:, core]
    return defect, weight, kind, sides


def loss(out: tuple[torch.Tensor, ...], want: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """Focal loss on the defect logit, cross entropy on the type, 1 - IoU on the sides."""
    logit, kind, sides = out
    defect, weight, want_kind, want_sides = want
    logit = logit[:, 0]
    p = torch.sigmoid(logit)
    miss = defect * (1 - p) ** 2 + (1 - defect) * p**2 * 0.5
    focal = F.binary_cross_entropy_with_logits(logit, defect, reduction="none") * miss * weight
    on = defect > 0
    count = on.sum().clamp(min=1)
    cross = F.cross_entropy(kind.permute(0, 2, 3, 1)[on], want_kind[on], reduction="sum") if on.any() else kind.sum() * 0
    a, b = sides.permute(0, 2, 3, 1)[on], want_sides.permute(0, 2, 3, 1)[on]
    both = torch.minimum(a, b)
    shared = (both[:, 0] + both[:, 2]) * (both[:, 1] + both[:, 3])
    area = (a[:, 0] + a[:, 2]) * (a[:, 1] + a[:, 3]) + (b[:, 0] + b[:, 2]) * (b[:, 1] + b[:, 3])
    iou = (shared + 0.1) / (area - shared + 0.1)
    slope = (a - b).abs().sum() * 0.05  # keeps a side alive whose ReLU is off
    return (focal.sum() * 2 + cross + (1 - iou).sum() + slope) / count


def decode(logit: np.ndarray, kind: np.ndarray, sides: np.ndarray, floor: float = -3.0) -> np.ndarray:
    """Boxes of one picture: (n, 6) f32 left, top, right, bottom, type, logit; highest first, overlaps removed.

    logit (h, w), kind (h, w, 6), sides (h, w, 4). A box is dropped if a better one covers it with IoU > 0.33 or holds
    its centre; cells below `floor` are not looked at.
    """
    y, x = np.nonzero(logit > floor)
    order = np.argsort(-logit[y, x], kind="stable")
    y, x = y[order], x[order]
    l, u, r, d = sides[y, x].T
    boxes = np.stack([x + 0.5 - l, y + 0.5 - u, x + 0.5 + r, y + 0.5 + d], 1) * CELL
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    free = np.ones(len(boxes), bool)
    kept = []
    for i in range(len(boxes)):
        if not free[i]:
            continue
        kept.append(i)
        low, high = np.maximum(boxes[:, :2], boxes[i, :2]), np.minimum(boxes[:, 2:], boxes[i, 2:])
        shared = (high - low).clip(0).prod(1)
        area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
        held = ((boxes[i, :2] <= centre) & (centre <= boxes[i, 2:])).all(1)
        free &= ~(held | (shared > 0.33 * (area + area[i] - shared)))
    return np.concatenate([boxes[kept], kind[y, x].argmax(1)[kept, None], logit[y, x][kept, None]], 1)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes left, top, right, bottom."""
    w = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    h = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    shared = w * h
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared + 1e-9)
