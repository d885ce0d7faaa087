# SPDX-License-Identifier: Apache-2.0
"""Training of the series side of the line model: whole sessions at once, judged where parts are exposed."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch.nn import functional as F

from dsmm_train.graph import Flow
from line_data import Line
from line_net import MEMORY, SeriesNet


def session_batch(line: Line, sessions: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, np.ndarray]:
    """Features (n, FEATURES, T, 1), shorter sessions padded at their end; rows (parts, 2): batch row, hop; parts."""
    longest = max(len(line.features[s]) for s in sessions)
    x = np.zeros((len(sessions), line.features[0].shape[1], longest, 1), np.float32)
    rows, parts = [], []
    for i, s in enumerate(sessions):
        f = line.features[s]
        x[i, :, :len(f), 0] = f.T
        x[i, :, len(f):, 0] = f[-1][:, None]
        members = np.flatnonzero(line.session == s)
        parts.append(members)
        rows.append(np.stack([np.full(len(members), i), line.hop[members]], 1))
    return torch.from_numpy(x), torch.from_numpy(np.concatenate(rows)), np.concatenate(parts)


def memories(tokens: Flow, rows: torch.Tensor) -> Flow:
    """The MEMORY newest tokens at (batch row, hop): (parts, 64, MEMORY, 1); zeros before the first hop."""
    padded = F.pad(tokens.data, (0, 0, MEMORY, 0))
    take = rows[:, 1:] + 1 + torch.arange(MEMORY)[None]
    return Flow(padded[rows[:, :1], :, take, 0].transpose(1, 2)[..., None], tokens.grid)


def vary(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Another sensor: levels of each channel's spectrum shifted by up to 2 dB, slow sensors by a few percent."""
    n, width = x.shape[:2]
    per_channel = (width - 3) // 3
    x = x.clone()
    for c in range(3):
        x[:, c * per_channel:(c + 1) * per_channel - 1] += 0.4 * torch.randn(n, 1, 1, 1, generator=generator)
    x[:, -3:-1] *= 1 + 0.08 * torch.randn(n, 2, 1, 1, generator=generator)
    x[:, -1:] += 2 * torch.randn(n, 1, 1, 1, generator=generator)
    return x + 0.1 * torch.randn(x.shape, generator=generator)


def heads(net: SeriesNet, x: Flow, rows: torch.Tensor) -> tuple[Flow, Flow, Flow, Flow]:
    """memory, vector, score, kind of the parts at `rows`."""
    memory = memories(net.tokens(x), rows)
    vector = net.pool(memory)
    return memory, vector, net.pool.score(vector), net.pool.kind(vector)


def fit(net: SeriesNet, line: Line, epochs: int, rate: float, seed: int, batch: int = 8) -> None:
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    count = len(line.features)
    steps = epochs * -(-count // batch)
    strong = torch.from_numpy(((line.kind >= 5) & (line.kind < 8)).astype(np.float32))
    kinds = torch.from_numpy(line.series_kind)
    net.train()
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)
    start = time.monotonic()
    for epoch in range(1, epochs + 1):
        order, total = rng.permutation(count), 0.0
        for at in range(0, count, batch):
            x, rows, parts = session_batch(line, order[at:at + batch])
            _, _, score, kind = heads(net, Flow(vary(x, generator)), rows)
            value = F.binary_cross_entropy_with_logits(score.data.flatten(), strong[parts]) + \
                F.cross_entropy(kind.data.flatten(1), kinds[parts])
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += value.item() * len(order[at:at + batch])
        if epoch % 2 == 0 or epoch == epochs:
            print(f"series {epoch}/{epochs}  loss {total / count:.4f}  {time.monotonic() - start:.0f} s", flush=True)


@torch.no_grad()
def scan(net: SeriesNet, line: Line) -> tuple[Flow, Flow, np.ndarray, np.ndarray]:
    """Memory (N, 64, MEMORY, 1), vector (N, 64, 1, 1), score (N,) and kind logits (N, 5) of every part."""
    net.eval()
    out: list[list[torch.Tensor]] = [[], [], [], []]
    grids = (None, None)
    order = []
    for s in range(len(line.features)):
        x, rows, parts = session_batch(line, np.array([s]))
        flows = heads(net, Flow(x), rows)
        grids = flows[0].grid, flows[1].grid
        for kept, flow in zip(out, flows):
            kept.append(flow.data)
        order.append(parts)
    back = np.argsort(np.concatenate(order))
    memory, vector, score, kind = (torch.cat(kept)[back] for kept in out)
    return Flow(memory, grids[0]), Flow(vector, grids[1]), score.flatten().numpy(), kind.flatten(1).numpy()
