# SPDX-License-Identifier: Apache-2.0
"""Transformer layers in integers: layer norm, relative attention, and blocks that stream with a memory."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .dsmm_file import ABSENT, float_bits
from .graph import Flow, emit, graph_append, graph_state, traced, unique
from .layers import Add, Linear
from .quant import Range, through

EPSILON = 1e-5


class LayerNorm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma, self.beta = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.range = Range()

    def forward(self, x: Flow) -> Flow:
        y = F.layer_norm(x.data.permute(0, 2, 3, 1), self.gamma.shape, self.gamma, self.beta, EPSILON)
        y, grid = self.range(y.permute(0, 3, 1, 2))
        inputs = [x.index]
        if traced() is not None:
            inputs += [traced().constant(unique("gamma"), self.gamma.detach().numpy()),
                       traced().constant(unique("beta"), self.beta.detach().numpy())]
        return emit("layer_norm", inputs, y, grid, (float_bits(EPSILON),))


class Attention(nn.Module):
    """softmax((q (k + r[dist]) + rb[dist]) / sqrt(dh)) v over tokens (T, 1, D).

    window: 0 attends everywhere without positions; n > 0 is causal: a query sees the n newest keys up to its own time,
    with learned r and rb per distance.
    """

    def __init__(self, width: int, heads: int, window: int = 0) -> None:
        super().__init__()
        self.heads, self.window, self.range, self.mode = heads, window, Range(), "float"
        if window:
            self.r = nn.Parameter(torch.randn(window, width) * 0.02)
            self.rb = nn.Parameter(torch.zeros(heads, window))

    def _relative(self, q: Flow, k: Flow) -> tuple[torch.Tensor, torch.Tensor]:
        """r (L, D) and rb (heads, L) as the integers that the file stores."""
        return (torch.round(self.r.detach() / k.grid.scale).clamp(-127, 127),
                torch.round(self.rb.detach() / (q.grid.scale * k.grid.scale)).clamp(-2.0**30, 2.0**30))

    def forward(self, q: Flow, k: Flow, v: Flow) -> Flow:
        n, width, tq, _ = q.data.shape
        tk, dh = k.data.shape[2], width // self.heads
        split = lambda f, t: f.data.reshape(n, self.heads, dh, t).transpose(2, 3)  # (N, heads, T, dh)
        qh, kh, vh = split(q, tq), split(k, tk), split(v, tk)
        score = qh @ kh.transpose(2, 3)
        if self.window:
            r, rb = self.r, self.rb
            if self.mode == "quantize":
                r_codes, rb_codes = self._relative(q, k)
                r = through(r_codes * k.grid.scale, r)
                rb = through(rb_codes * (q.grid.scale * k.grid.scale), rb)
            distance = (torch.arange(tk - tq, tk)[:, None] - torch.arange(tk)[None, :])  # (Tq, Tk)
            clamped = distance.clamp(0, self.window - 1)
            by_distance = qh @ r.reshape(self.window, self.heads, dh).permute(1, 2, 0) + rb[None, :, None, :]
            score = score + torch.gather(by_distance, 3, clamped.expand(n, self.heads, tq, tk))
            score = score.masked_fill((distance < 0) | (distance >= self.window), float("-inf"))
        p = F.softmax(score / math.sqrt(dh), -1)
        y, grid = self.range((p @ vh).transpose(2, 3).reshape(n, width, tq, 1))
        extra = [ABSENT, ABSENT]
        if traced() is not None and self.window:
            r_codes, rb_codes = self._relative(q, k)
            extra = [traced().constant(unique("r"), r_codes.numpy().astype(np.int8)),
                     traced().constant(unique("rb"), rb_codes.numpy().astype(np.int32))]
        return emit("attention", [q.index, k.index, v.index, *extra], y, grid, (self.heads, int(self.window > 0)))


class Feedforward(nn.Module):
    """LayerNorm(x + W2 relu(W1 x))"""

    def __init__(self, width: int, hidden: int, bits: str = "i4s", group: int = 32) -> None:
        super().__init__()
        self.up = Linear(width, hidden, relu=True, bits=bits, group=group)
        self.down = Linear(hidden, width, bits=bits, group=group)
        self.add, self.norm = Add(), LayerNorm(width)

    def forward(self, x: Flow) -> Flow:
        return self.norm(self.add(x, self.down(self.up(x))))


class CausalBlock(nn.Module):
    """A Transformer-XL layer whose keys and values live in rings: one step per run, or a whole series in training.

    Training takes (N, D, T, 1) and sees, before the first step, the zeros that a fresh ring holds; so the last step of
    a series equals the run after T steps.
    """

    def __init__(self, width: int, heads: int, window: int, hidden: int, bits: str = "i4s",
                 group: int = 32) -> None:
        super().__init__()
        self.window, self.width = window, width
        self.q, self.k, self.v = (Linear(width, width, bits=bits, group=group) for _ in range(3))
        self.attention = Attention(width, heads, window)
        self.out = Linear(width, width, bits=bits, group=group)
        self.add, self.norm = Add(), LayerNorm(width)
        self.feed = Feedforward(width, hidden, bits, group)

    def _remembered(self, x: Flow, name: str) -> Flow:
        if traced() is None:
            return Flow(F.pad(x.data, (0, 0, self.window - 1, 0)), x.grid)
        state = graph_state(name, self.window, self.width, x.grid)
        graph_append(x, state)
        return state

    def forward(self, x: Flow, name: str = "layer") -> Flow:
        k, v = self._remembered(self.k(x), f"{name}.k"), self._remembered(self.v(x), f"{name}.v")
        return self.feed(self.norm(self.add(x, self.out(self.attention(self.q(x), k, v)))))
