# SPDX-License-Identifier: Apache-2.0
"""What flows between layers, and how one forward pass becomes a file.

    model = Model()
    with tracing(model):
        model.program("frame")
        x = graph_input("image", "u8", (512, 512, 1), Grid(1 / 255, 0))
        graph_output(net(x), "score")
    model.save("part.dsmm")

The same forward() trains and exports: under tracing() each layer also writes its operator.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn

from .dsmm_file import Model
from .quant import Grid, Range, best_grid, snap

_model: Model | None = None
_count = 0


@dataclass
class Flow:
    """A batch of activations (N, C, H, W), its grid (None: f32, or not quantized yet), its tensor in the file."""

    data: torch.Tensor
    grid: Grid | None = None
    index: int = -1

    @property
    def shape_hwc(self) -> tuple[int, int, int]:
        _, c, h, w = self.data.shape
        return h, w, c


@contextmanager
def tracing(model: Model) -> Iterator[None]:
    """Layers called inside write themselves to `model`; inputs are made with graph_input()."""
    global _model, _count
    _model, _count = model, 0
    try:
        with torch.no_grad():
            yield
    finally:
        _model = None


def traced() -> Model | None:
    return _model


def unique(kind: str) -> str:
    """A name for an operator or constant, in the order of their making."""
    global _count
    _count += 1
    return f"{kind}{_count}"


def emit(kind: str, inputs: list[int], data: torch.Tensor, grid: Grid | None,
         attributes: tuple[int, ...] = ()) -> Flow:
    """Writes one operator while tracing; otherwise just wraps the data."""
    flow = Flow(data, grid)
    if _model is not None:
        name = unique(kind)
        scale, zero = grid or (0.0, 0)
        flow.index = _model.tensor(name, "value", "u8" if grid else "f32", flow.shape_hwc, scale, zero)
        _model.op(kind, name, inputs, [flow.index], attributes)
    return flow


def graph_input(name: str, type: str, shape: tuple[int, int, int], grid: Grid | None = None) -> Flow:
    h, w, c = shape
    index = _model.tensor(name, "input", type, shape, *(grid or ()))
    return Flow(torch.zeros(1, c, h, w), grid, index)


def graph_output(flow: Flow, name: str) -> None:
    """The last writer of `flow` writes the named output instead."""
    tensor = _model.tensors[flow.index]
    if tensor.kind != "value":
        raise ValueError(f"{name}: only a value can become an output, and only one")
    tensor.kind, tensor.name = "output", name


def graph_state(name: str, rows: int, channels: int, grid: Grid | None) -> Flow:
    """A ring of `rows` rows, real 0 at the start."""
    index = _model.tensor(name, "state", "u8" if grid else "f32", (rows, 1, channels), *(grid or ()))
    return Flow(torch.zeros(1, channels, rows, 1), grid, index)


def graph_append(flow: Flow, state: Flow) -> None:
    _model.op("append", unique("append"), [flow.index, state.index], [])


class Constant(nn.Module):
    """A learned u8 constant of shape (H, W, C); grid: that of a layer it must match, else its own."""

    def __init__(self, h: int, w: int, c: int, spread: float = 0.5) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.randn(1, c, h, w) * spread)
        self.range = Range()

    def forward(self, batch: int, grid: Grid | None = None) -> Flow:
        if self.range.mode == "quantize" and grid is None:
            if self.training or self.range.grid_values[0] == 0:
                self.range.fix(best_grid(self.value.detach().flatten(), False))
            grid = self.range.grid
        if self.range.mode != "quantize":
            data, grid = self.value, None
        else:
            data = snap(self.value, grid)
        flow = Flow(data.expand(batch, -1, -1, -1), grid)
        if _model is not None:
            q = torch.round(data[0].permute(1, 2, 0).double() / grid.scale + grid.zero).clamp(0, 255)
            flow.index = _model.constant(unique("constant"), q.to(torch.uint8).numpy(), grid.scale, grid.zero)
        return flow


def set_mode(net: nn.Module, mode: str) -> None:
    """mode: "float", "observe" or "quantize"; leaving "observe" chooses the grids. Before the first "quantize",
    batch normalisation must be folded (layers.fold)."""
    for m in net.modules():
        if hasattr(m, "mode"):
            if isinstance(m, Range) and m.mode == "observe" and mode != "observe":
                m.finish()
            m.mode = mode
