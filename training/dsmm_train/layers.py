# SPDX-License-Identifier: Apache-2.0
"""Layers that train in float, then on the grids of the run time, and write themselves as operators of docs/ops.md."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from .graph import Flow, emit, traced, unique
from .quant import Grid, Range, Weights, through

__all__ = ["Add", "Concat", "Conv2d", "Dequantize", "Linear", "Lut", "Mul", "QuantizeInput", "avg_pool", "calibrate",
           "fold", "max_pool", "max_tokens", "reduce", "resize", "select", "softmax"]


def _array(t: torch.Tensor, type: type) -> np.ndarray:
    return t.detach().cpu().double().round().numpy().astype(type) if type != np.float32 else \
        t.detach().cpu().numpy().astype(np.float32)


class Conv2d(nn.Module):
    """Convolution with folded batch normalisation and ReLU: u8 -> u8, or f32 as the end of a head.

    bits: "i4s" with `group` values per integer scale, or "s8" (first layer and heads). Padding is (k - 1) / 2 times
    the dilation unless given.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int] = 3, stride: int = 1, *,
                 dilation: int = 1, padding: int | None = None, relu: bool = True, bn: bool = True, bits: str = "i4s",
                 group: int = 32, out: str = "u8") -> None:
        super().__init__()
        kh, kw = (kernel, kernel) if isinstance(kernel, int) else kernel
        self.stride, self.dilation, self.relu, self.out, self.mode = stride, dilation, relu, out, "float"
        self.pad = (padding, padding) if padding is not None else ((kh - 1) // 2 * dilation, (kw - 1) // 2 * dilation)
        self.weight = nn.Parameter(torch.empty(outputs, inputs, kh, kw))
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu" if relu else "linear")
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.bn = nn.BatchNorm2d(outputs) if bn else None
        self.numbers = Weights(outputs, inputs * kh * kw, bits, group)
        self.range = Range(positive=relu)
        self.kind = "conv2d"

    def fold(self) -> None:
        """Moves batch normalisation into weight and bias, and chooses the weights' grid."""
        if self.bn is not None:
            with torch.no_grad():
                factor = self.bn.weight / torch.sqrt(self.bn.running_var + self.bn.eps)
                self.weight.mul_(factor[:, None, None, None])
                self.bias.copy_((self.bias - self.bn.running_mean) * factor + self.bn.bias)
            self.bn = None
        self.numbers.refresh(self.weight)

    def _convolve(self, x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, w, b, self.stride, self.pad, self.dilation)

    def forward(self, x: Flow) -> Flow:
        quantized = self.mode == "quantize"
        if quantized:
            w = self.numbers(self.weight)
            y = self._convolve(x.data, w, through(self._bias(x.grid)[1], self.bias))
        else:
            y = self._convolve(x.data, self.weight, self.bias)
            y = self.bn(y) if self.bn is not None else y
        y = F.relu(y) if self.relu else y
        grid = None
        if self.out == "u8":
            y, grid = self.range(y)
        if traced() is None:
            return Flow(y, grid)
        kh, kw = self.weight.shape[2:]
        stride, pad, dilation = (self.stride,) * 2, self.pad, (self.dilation,) * 2
        attributes = (int(self.relu),) if self.kind == "linear" else \
            (*stride, *pad, *pad, *dilation, 1, int(self.relu))
        return emit(self.kind, [x.index, *self._constants(x.grid, grid)], y, grid, attributes)

    def _scale(self, grid: Grid) -> torch.Tensor:
        """Weight scales, kept large enough for a silent channel's bias to fit 32 bits."""
        return torch.maximum(self.numbers.scale, self.bias.detach().abs() / (grid.scale * 2.0**26))

    def _bias(self, grid: Grid) -> tuple[torch.Tensor, torch.Tensor]:
        unit = self._scale(grid) * grid.scale
        codes = torch.round(self.bias.detach() / unit)
        return codes, codes * unit

    def _constants(self, grid: Grid, out: Grid | None) -> list[int]:
        model, name, numbers = traced(), unique("weights"), self.numbers
        o, i, kh, kw = self.weight.shape
        numbers.scale.copy_(self._scale(grid))
        if out is not None:
            numbers.scale.clamp_(min=out.scale / grid.scale * 2.0**-30)
            if float(numbers.scale.max()) * grid.scale >= out.scale:
                raise ValueError(f"{name}: its output grid is finer than its accumulator")
        codes = _array(numbers.codes(self.weight).reshape(o, kh, kw, i), np.int8)
        if numbers.bits == "i4s":
            plain = bool((numbers.steps == 16).all())  # then the file need not hold them
            steps = None if plain else _array(numbers.steps, np.uint8)
            w = model.constant_i4s(name, codes, steps, 0 if plain else numbers.group)
        else:
            w = model.constant(name, codes)
        bias = model.constant(unique("bias"), _array(self._bias(grid)[0], np.int32))
        return [w, bias, model.constant(unique("scale"), _array(numbers.scale, np.float32))]


class Linear(Conv2d):
    """Fully connected over C at every (H, W): tokens, vectors and states."""

    def __init__(self, inputs: int, outputs: int, *, relu: bool = False, bn: bool = False, bits: str = "i4s",
                 group: int = 32, out: str = "u8") -> None:
        super().__init__(inputs, outputs, 1, relu=relu, bn=bn, bits=bits, group=group, out=out)
        self.kind = "linear"


def fold(net: nn.Module) -> None:
    """Folds every batch normalisation and fits every weight's grid; once, between float and quantized training."""
    for m in net.modules():
        if isinstance(m, Conv2d):
            m.fold()


class Add(nn.Module):
    """a + b; b of the same shape, or (1, 1, C)."""

    def __init__(self, relu: bool = False) -> None:
        super().__init__()
        self.relu, self.range = relu, Range(positive=relu)

    def forward(self, a: Flow, b: Flow) -> Flow:
        y = a.data + b.data
        y, grid = self.range(F.relu(y) if self.relu else y)
        return emit("add", [a.index, b.index], y, grid, (int(self.relu),))


class Mul(Add):
    """a * b; shapes as Add."""

    def forward(self, a: Flow, b: Flow) -> Flow:
        y = a.data * b.data
        y, grid = self.range(F.relu(y) if self.relu else y)
        return emit("mul", [a.index, b.index], y, grid, (int(self.relu),))


class Concat(nn.Module):
    """Along channels (axis "c") or rows (axis "h"); all u8, or all f32 (quantized=False)."""

    def __init__(self, axis: str = "c", quantized: bool = True, positive: bool = False) -> None:
        super().__init__()
        self.axis, self.range = axis, Range(positive) if quantized else None

    def forward(self, *parts: Flow) -> Flow:
        y, grid = torch.cat([p.data for p in parts], 1 if self.axis == "c" else 2), None
        if self.range is not None:
            y, grid = self.range(y)
        return emit("concat", [p.index for p in parts], y, grid, (2 if self.axis == "c" else 0,))


class QuantizeInput(nn.Module):
    """f32 features -> u8 of (x - mean) / deviation, `reach` deviations to each side."""

    def __init__(self, channels: int, reach: float = 5.0) -> None:
        super().__init__()
        self.mode = "float"
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("deviation", torch.ones(channels))
        self.grid = Grid(float(np.float32(reach / 127)), 128)

    def fit(self, x: torch.Tensor) -> None:
        """x (samples, C)"""
        self.mean.copy_(x.mean(0))
        self.deviation.copy_(x.std(0).clamp(min=1e-6))

    def forward(self, x: Flow) -> Flow:
        from .quant import snap
        y = (x.data - self.mean[:, None, None]) / self.deviation[:, None, None]
        grid = self.grid if self.mode == "quantize" else None
        limit = 127 * self.grid.scale
        y = snap(y, grid) if grid else y.clamp(-limit, limit)
        constants = []
        if traced() is not None:
            scale = 1.0 / (self.deviation.double() * self.grid.scale)
            offset = self.grid.zero - self.mean.double() * scale
            constants = [traced().constant(unique("scale"), scale.float().numpy()),
                         traced().constant(unique("offset"), offset.float().numpy())]
        return emit("quantize", [x.index, *constants], y, grid)


class Dequantize(nn.Module):
    """u8 -> f32, the same values."""

    def forward(self, x: Flow) -> Flow:
        return emit("dequantize", [x.index], x.data, None)


class Lut(nn.Module):
    """Any function of one value, as a table of 256; `grid`: of the result, else observed."""

    def __init__(self, function, grid: Grid | None = None) -> None:
        super().__init__()
        self.function, self.fixed, self.range = function, grid, Range()

    def forward(self, x: Flow) -> Flow:
        if self.fixed is not None:
            self.range.fix(self.fixed)
        y, grid = self.range(self.function(x.data))
        inputs = [x.index]
        if traced() is not None:
            real = (torch.arange(256, dtype=torch.float64) - x.grid.zero) * x.grid.scale
            table = torch.floor(self.function(real) / grid.scale + grid.zero + 0.5).clamp(0, 255)
            inputs.append(traced().constant(unique("table"), table.numpy().astype(np.int32)))
        return emit("lut", inputs, y, grid)


def max_pool(x: Flow, kernel: int | tuple[int, int] = 0, stride: int | tuple[int, int] | None = None,
             padding: int = 0) -> Flow:
    """kernel 0: over the whole image."""
    if kernel == 0:
        return emit("max_pool", [x.index], x.data.amax((2, 3), keepdim=True), x.grid, (0,) * 8)
    kernel = (kernel, kernel) if isinstance(kernel, int) else kernel
    stride = kernel if stride is None else (stride, stride) if isinstance(stride, int) else stride
    return emit("max_pool", [x.index], F.max_pool2d(x.data, kernel, stride, padding), x.grid,
                (*kernel, *stride, *(padding,) * 4))


def max_tokens(x: Flow) -> Flow:
    """(T, 1, C) -> (1, 1, C)"""
    return max_pool(x)


class _AvgPool(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.range = Range()

    def forward(self, x: Flow) -> Flow:
        y, grid = self.range(x.data.mean((2, 3), keepdim=True))
        return emit("avg_pool", [x.index], y, grid, (0,) * 8)


avg_pool = _AvgPool


def resize(x: Flow, h: int, w: int, bilinear: bool = False) -> Flow:
    whole = h % x.data.shape[2] == 0 and w % x.data.shape[3] == 0  # then "nearest" is the same, and ONNX knows it
    y = F.interpolate(x.data, (h, w), mode="bilinear", align_corners=False) if bilinear else \
        F.interpolate(x.data, (h, w), mode="nearest" if whole else "nearest-exact")
    return emit("resize", [x.index], y, x.grid, (int(bilinear), h, w))


def select(flag: Flow, x: Flow, otherwise: Flow) -> Flow:
    """x where flag (N, 1, 1, 1) > 0.5, else `otherwise`, a Constant on the grid of x."""
    y = torch.where(flag.data > 0.5, x.data, otherwise.data)
    return emit("select", [flag.index, x.index, otherwise.index], y, x.grid)


def softmax(x: Flow) -> Flow:
    return emit("softmax", [x.index], F.softmax(x.data, 1), None)


def reduce(x: Flow, mode: str) -> Flow:
    """f32; mode "sum" or "max" over everything."""
    y = x.data.sum((1, 2, 3), keepdim=True) if mode == "sum" else x.data.amax((1, 2, 3), keepdim=True)
    return emit("reduce", [x.index], y, None, (int(mode == "max"),))


def calibrate(x: Flow, knots: np.ndarray) -> Flow:
    """knots f32 (N, 2, P): x ascending, then y, per channel. For export: no gradient."""
    values = x.data.detach().numpy()
    y = np.stack([np.interp(values[:, n], k[0], k[1]) for n, k in enumerate(knots)], 1)
    index = traced().constant(unique("knots"), knots.astype(np.float32)) if traced() is not None else -1
    return emit("calibrate", [x.index, index], torch.from_numpy(y).float(), None)


