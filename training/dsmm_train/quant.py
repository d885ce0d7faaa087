# SPDX-License-Identifier: Apache-2.0
"""The numbers: u8 activation grids, I4S and s8 weights, and their straight-through gradients.

A module of layers.py is in one of three modes: "float" (plain training), "observe" (float, and activation ranges are
collected) and "quantize" (what runs: every stored number lies on its grid).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

MAX_GROUP_SCALE = 16
SAMPLES = 8192  # kept per call of an observer


class Grid(NamedTuple):
    """real = scale * (q - zero), q in 0..255"""

    scale: float
    zero: int


class _Snap(torch.autograd.Function):
    """x to the nearest grid point, half upwards as the run time rounds; gradient 1 inside the range, 0 outside."""

    @staticmethod
    def forward(ctx, x: torch.Tensor, scale: float, zero: int) -> torch.Tensor:
        q = torch.floor(x * (1.0 / scale) + (zero + 0.5))
        ctx.save_for_backward((q >= -0.5) & (q <= 255.5))
        return (q.clamp_(0, 255) - zero) * scale

    @staticmethod
    def backward(ctx, grad: torch.Tensor):
        return grad * ctx.saved_tensors[0], None, None


def snap(x: torch.Tensor, grid: Grid) -> torch.Tensor:
    return _Snap.apply(x, grid.scale, grid.zero)


def through(exact: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    """The value of `exact` with the gradient of `smooth`."""
    return smooth + (exact - smooth).detach()


def best_grid(samples: torch.Tensor, positive: bool) -> Grid:
    """The u8 grid of least squared error for a sample of activations; it always represents 0 exactly."""
    samples = samples.double()
    low = 0.0 if positive else min(float(samples.min()), 0.0)
    high = max(float(samples.max()), 0.0)
    if high - low < 1e-6:
        return Grid(1e-4, 0 if positive else 128)
    best, best_error = Grid(1.0, 0), float("inf")
    for a in ((1.0,) if positive else (1.0, 0.9, 0.8, 0.65, 0.5, 0.35)):
        for b in (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3):
            scale = max(high * b - low * a, 1e-6) / 255
            scale = float(torch.tensor(scale, dtype=torch.float32))
            zero = 0 if positive else min(255, max(0, round(-low * a / scale)))
            q = (torch.floor(samples / scale + zero + 0.5)).clamp(0, 255)
            error = float(((q - zero) * scale - samples).square().mean())
            if error < best_error:
                best, best_error = Grid(scale, zero), error
    return best


class Range(nn.Module):
    """Puts activations on a u8 grid that was chosen from what it observed.

    positive: the values follow a ReLU, so the zero point is 0 and the grid's lower clamp is the ReLU.
    """

    def __init__(self, positive: bool = False) -> None:
        super().__init__()
        self.positive = positive
        self.mode = "float"
        self.seen: list[torch.Tensor] = []
        self.register_buffer("grid_values", torch.zeros(2, dtype=torch.float64))

    def fix(self, grid: Grid) -> None:
        self.grid_values.copy_(torch.tensor([grid.scale, grid.zero], dtype=torch.float64))

    def finish(self) -> None:
        """Chooses the grid from the observations; call after mode "observe"."""
        if self.seen:
            self.fix(best_grid(torch.cat(self.seen), self.positive))
            self.seen = []

    @property
    def grid(self) -> Grid:
        scale, zero = self.grid_values.tolist()
        if scale == 0:
            raise RuntimeError("a range was not observed: run calibration data through the network first")
        return Grid(scale, int(zero))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, Grid | None]:
        if self.mode == "quantize":
            grid = self.grid
            return snap(x, grid), grid
        if self.mode == "observe":
            flat = x.detach().flatten()
            step = max(1, flat.numel() // SAMPLES)
            kept = flat[::step]
            self.seen.append(torch.cat([kept, flat.min()[None], flat.max()[None]]))
        return x, None


class Weights(nn.Module):
    """Weights (O, I, KH, KW) as the file stores them.

    i4s: w8 = (u - 8) * s, s 1..16 per `group` values along K = (kh, kw, I); s8: w8 directly; real = w8 * scale[o].
    Steps are chosen again every `refresh_every` training calls, and stay as they are in evaluation.
    """

    refresh_every = 25

    def __init__(self, channels: int, depth: int, bits: str, group: int) -> None:
        super().__init__()
        self.bits, self.group = bits, group if bits == "i4s" else 0
        groups = -(-depth // self.group) if self.group else 1
        self.register_buffer("scale", torch.zeros(channels))
        self.register_buffer("steps", torch.full((channels, groups), 16.0))
        self.calls = 0

    @staticmethod
    def rows(w: torch.Tensor) -> torch.Tensor:
        return w.permute(0, 2, 3, 1).flatten(1)

    def _grouped(self, flat: torch.Tensor) -> torch.Tensor:
        if not self.group:
            return flat[:, None, :]
        return nn.functional.pad(flat, (0, -flat.shape[1] % self.group)).unflatten(1, (-1, self.group))

    @torch.no_grad()
    def refresh(self, w: torch.Tensor) -> None:
        """Chooses scale and integer group scales of least squared error."""
        flat = self.rows(w.detach())
        if self.bits == "s8":
            self.scale.copy_((flat.abs().amax(1) / 127).clamp(min=1e-9))
            return
        g = self._grouped(flat)
        top = g.abs().amax(2).clamp(min=1e-9)
        best, best_error = top / 7, torch.full_like(top, float("inf"))
        for ratio in (1.0, 0.92, 0.84, 0.76, 0.68, 0.6):
            step = top * ratio / 7
            error = ((torch.round(g / step[..., None]).clamp(-8, 7) * step[..., None]) - g).square().sum(2)
            best = torch.where(error < best_error, step, best)
            best_error = torch.minimum(error, best_error)
        self.scale.copy_(best.amax(1) / MAX_GROUP_SCALE)
        self.steps.copy_(torch.round(best / self.scale[:, None]).clamp(1, MAX_GROUP_SCALE))
        if not self.group:
            self.steps.fill_(MAX_GROUP_SCALE)

    def codes(self, w: torch.Tensor) -> torch.Tensor:
        """(O, K) integers: s8 values, or nibbles -8..7."""
        flat = self.rows(w.detach())
        if self.bits == "s8":
            return torch.round(flat / self.scale[:, None]).clamp(-127, 127)
        step = (self.steps * self.scale[:, None])[..., None]
        return torch.round(self._grouped(flat) / step).clamp(-8, 7).flatten(1)[:, :flat.shape[1]]

    def integers(self, w: torch.Tensor) -> torch.Tensor:
        """(O, K): w8."""
        codes = self.codes(w)
        if self.bits == "s8":
            return codes
        return (self._grouped(codes) * self.steps[..., None]).flatten(1)[:, :codes.shape[1]]

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        if self.training:
            if self.calls % self.refresh_every == 0:
                self.refresh(w)
            self.calls += 1
        o, i, kh, kw = w.shape
        exact = (self.integers(w) * self.scale[:, None]).unflatten(1, (kh, kw, i)).permute(0, 3, 1, 2)
        return through(exact, w)
