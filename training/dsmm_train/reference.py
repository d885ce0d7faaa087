# SPDX-License-Identifier: Apache-2.0
"""The integer arithmetic of docs/ops.md, slow and exact, to test exporters and to measure what really runs.

Integer operators give the run time's bits. Float ones (spectral, softmax, reduce, calibrate) agree to rounding only.
"""

from __future__ import annotations

import math
import struct

import numpy as np
import torch
from torch.nn import functional as F

from .dsmm_file import ABSENT, Model, Op, Tensor

EXP2 = np.floor(2.0**16 * 2.0 ** (-np.arange(256) / 256) + 0.5).astype(np.int64)


def fixed(real: float) -> tuple[int, int]:
    """multiplier, shift of a factor in [2^-32, 1)."""
    if not 2.0**-32 <= real < 1.0:
        raise ValueError(f"factor {real} does not fit a fixed_point")
    shift, m = 31, real
    while m < 0.5:
        m, shift = m * 2.0, shift + 1
    q = int(math.floor(m * 2.0**31 + 0.5))
    if q == 1 << 31:
        q, shift = q >> 1, shift - 1
    return ((1 << 31) - 1, 31) if shift < 31 else (q, shift)


def channel_factor(real: float) -> tuple[int, int]:
    """The same of a convolution's channel: with the 24 bits of an f32."""
    return fixed(real if real < 2.0**-32 else min(float(np.float32(real)), 1.0 - 2.0**-24) if real < 1.0 else real)


def rq(value: np.ndarray, factor: tuple[int, int]) -> np.ndarray:
    """value * factor, one rounding, half upwards; s64 in and out."""
    multiplier, shift = factor
    return (value.astype(np.int64) * multiplier + (1 << (shift - 1))) >> shift


def _clamp(y: np.ndarray, low: int = 0) -> np.ndarray:
    return np.clip(y, low, 255).astype(np.uint8)


def _fma(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """fma in f32: the product is exact in f64, and the sum's first rounding there is far below the second."""
    return (a.astype(np.float64) * b.astype(np.float64) + c.astype(np.float64)).astype(np.float32)


def _float(bits: int) -> float:
    return struct.unpack("<f", struct.pack("<i", bits))[0]


class Reference:
    """Runs programs of a model on a batch; states live as long as the object, per sample of the batch."""

    def __init__(self, model: Model) -> None:
        self.model, self.states = model, {}
        self.constants = {i: t.array() for i, t in enumerate(model.tensors) if t.kind == "constant"}

    def reset(self) -> None:
        self.states = {}

    def run(self, program: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """inputs (N, H, W, C) by name -> outputs (N, H, W, C) by name."""
        ops = next(members for name, members in self.model.programs if name == program)
        self.values = {self.model.find(k): v for k, v in inputs.items()}
        self.batch = len(next(iter(inputs.values())))
        for op in ops:
            y = getattr(self, "_" + op.kind)(op, *[self._read(i) for i in op.inputs])
            if op.outputs:
                self.values[op.outputs[0]] = y
        outputs = {i: t.name for i, t in enumerate(self.model.tensors) if t.kind == "output"}
        return {name: self.values[i] for i, name in outputs.items() if i in self.values}

    def _read(self, index: int) -> np.ndarray | None:
        if index == ABSENT:
            return None
        t = self.model.tensors[index]
        if t.kind == "constant":
            value = self.constants[index]
            return np.broadcast_to(value, (self.batch, *value.shape)) if t.type == "u8" or self._is_data(t) else value
        if t.kind == "state" and index not in self.states:
            self.states[index] = np.full((self.batch, *t.dims), t.zero, np.uint8 if t.type == "u8" else np.float32)
        return self.states[index] if t.kind == "state" else self.values[index]

    @staticmethod
    def _is_data(t: Tensor) -> bool:
        return t.type == "f32" and len(t.dims) == 3 and t.dims[1] == 1 and t.dims[0] == 1

    def _push(self, index: int, rows: np.ndarray) -> None:
        old = self._read(index)
        self.states[index] = np.concatenate([old, rows], 1)[:, -old.shape[1]:]

    def _in(self, op: Op, i: int) -> Tensor:
        return self.model.tensors[op.inputs[i]]

    def _out(self, op: Op) -> Tensor:
        return self.model.tensors[op.outputs[0]]

    # -- convolutions -----------------------------------------------------------------------------------------------

    def _accumulate(self, x: np.ndarray, zero: int, w: np.ndarray, stride, pads, dilation, groups: int) -> np.ndarray:
        """sum (x - zero) * w8, exact: in f32 where no partial sum can pass 2^24, else in f64."""
        exact32 = int(np.abs(w.astype(np.int64)).reshape(w.shape[0], -1).sum(1).max()) * 255 < 1 << 24
        kind = torch.float32 if exact32 else torch.float64
        top, left, bottom, right = pads
        data = torch.from_numpy(x.astype(np.int16)).permute(0, 3, 1, 2).to(kind) - zero
        weight = torch.from_numpy(w.astype(np.int16)).permute(0, 3, 1, 2).to(kind)
        with torch.no_grad():
            y = F.conv2d(F.pad(data, (left, right, top, bottom)), weight, None, stride, 0, dilation, groups)
        return y.permute(0, 2, 3, 1).double().numpy().astype(np.int64)

    def _finish(self, op: Op, acc: np.ndarray, bias: np.ndarray, scale: np.ndarray, relu: int) -> np.ndarray:
        x, out = self._in(op, 0), self._out(op)
        acc = acc + bias
        if out.type == "f32":
            y = acc.astype(np.float32) * (np.float32(x.scale) * scale)
            return np.maximum(y, np.float32(0)) if relu else y
        y = np.empty(acc.shape, np.uint8)
        for o in range(acc.shape[-1]):
            factor = channel_factor(x.scale * float(scale[o]) / out.scale)
            y[..., o] = _clamp(out.zero + rq(acc[..., o], factor), out.zero if relu else 0)
        return y

    def _conv2d(self, op: Op, x, w, bias, scale):
        sh, sw, top, left, bottom, right, dh, dw, groups, relu = op.attributes
        acc = self._accumulate(x, self._in(op, 0).zero, w, (sh, sw), (top, left, bottom, right), (dh, dw), groups)
        return self._finish(op, acc, bias, scale, relu)

    def _dwconv2d(self, op: Op, x, w, bias, scale):
        sh, sw, top, left, bottom, right, dh, dw, relu = op.attributes
        acc = self._accumulate(x, self._in(op, 0).zero, w, (sh, sw), (top, left, bottom, right), (dh, dw), x.shape[3])
        return self._finish(op, acc, bias, scale, relu)

    def _linear(self, op: Op, x, w, bias, scale):
        acc = self._accumulate(x, self._in(op, 0).zero, w, (1, 1), (0,) * 4, (1, 1), 1)
        return self._finish(op, acc, bias, scale, op.attributes[0])

    def _causal_conv1d(self, op: Op, x, w, bias, scale, past):
        rows = np.concatenate([past, x], 1)
        acc = self._accumulate(rows, self._in(op, 0).zero, w, (1, 1), (0,) * 4, (op.attributes[0], 1), 1)
        self._push(op.inputs[4], x)
        return self._finish(op, acc, bias, scale, op.attributes[1])

    # -- one pixel at a time ----------------------------------------------------------------------------------------

    def _add(self, op: Op, a, b):
        ta, tb, out = self._in(op, 0), self._in(op, 1), self._out(op)
        ma, mb = (int(math.floor(2.0**20 * t.scale / out.scale + 0.5)) for t in (ta, tb))
        y = out.zero + (((a.astype(np.int64) - ta.zero) * ma + (b.astype(np.int64) - tb.zero) * mb + (1 << 19)) >> 20)
        return _clamp(y, out.zero if op.attributes[0] else 0)

    def _mul(self, op: Op, a, b):
        ta, tb, out = self._in(op, 0), self._in(op, 1), self._out(op)
        product = (a.astype(np.int64) - ta.zero) * (b.astype(np.int64) - tb.zero)
        y = out.zero + rq(product, fixed(ta.scale * tb.scale / out.scale))
        return _clamp(y, out.zero if op.attributes[0] else 0)

    def _concat(self, op: Op, *parts):
        out, axis = self._out(op), op.attributes[0] + 1
        if out.type == "f32":
            return np.concatenate(parts, axis)
        scaled = []
        for i, p in enumerate(parts):
            t = self._in(op, i)
            table = np.floor((np.arange(256) - t.zero) * (t.scale / out.scale) + out.zero + 0.5)
            scaled.append(_clamp(table)[p])
        return np.concatenate(scaled, axis)

    def _lut(self, op: Op, x, table):
        return table.astype(np.uint8)[x]

    def _quantize(self, op: Op, x, scale, offset):
        y = np.round(_fma(x, np.broadcast_to(scale, x.shape), np.broadcast_to(offset, x.shape)))
        return np.where(np.isnan(y), self._out(op).zero, np.clip(y, 0, 255)).astype(np.uint8)

    def _dequantize(self, op: Op, x):
        t = self._in(op, 0)
        return np.float32(t.scale) * (x.astype(np.float32) - np.float32(t.zero))

    def _select(self, op: Op, flag, x, otherwise):
        return np.where(flag.reshape(-1, 1, 1, 1) > 0.5, x, otherwise)

    def _append(self, op: Op, x, _state):
        self._push(op.inputs[1], x)

    # -- windows ----------------------------------------------------------------------------------------------------

    def _windows(self, x: np.ndarray, op: Op, fill: float) -> np.ndarray:
        kh, kw, sh, sw, top, left, bottom, right = op.attributes
        padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=fill)
        return np.lib.stride_tricks.sliding_window_view(padded, (kh, kw), (1, 2))[:, ::sh, ::sw]

    def _max_pool(self, op: Op, x):
        if op.attributes[0] == 0:
            return x.max((1, 2), keepdims=True)
        fill = 0 if x.dtype == np.uint8 else -np.inf
        return self._windows(x, op, fill).max((4, 5))

    def _avg_pool(self, op: Op, x):
        t, out = self._in(op, 0), self._out(op)
        ones = np.ones((1, *x.shape[1:3], 1), np.int64)
        wide = x.astype(np.int64 if t.type == "u8" else np.float32)
        if op.attributes[0] == 0:
            total, n = wide.sum((1, 2), keepdims=True), ones.sum().reshape(1, 1, 1, 1)
        else:
            total, n = self._windows(wide, op, 0).sum((4, 5)), self._windows(ones, op, 0).sum((4, 5))
        if t.type == "f32":
            return (total / n).astype(np.float32)
        y = np.empty(total.shape, np.uint8)
        for count in np.unique(n):
            at = np.broadcast_to(n == count, total.shape)
            y[at] = _clamp(out.zero + rq(total[at] - count * t.zero, fixed(t.scale / (float(count) * out.scale))))
        return y

    def _resize(self, op: Op, x):
        mode, oh, ow = op.attributes
        h, w = x.shape[1:3]
        if mode == 0:
            index = lambda n, size: (2 * np.arange(n) + 1) * size // (2 * n)
            return x[:, index(oh, h)][:, :, index(ow, w)]
        if x.dtype != np.uint8:
            return F.interpolate(torch.from_numpy(x).permute(0, 3, 1, 2), (oh, ow), mode="bilinear",
                                 align_corners=False).permute(0, 2, 3, 1).numpy()

        def taps(n: int, size: int):
            p = ((2 * np.arange(n, dtype=np.int64) + 1) * size * 2048 + n) // (2 * n) - 1024
            p = np.clip(p, 0, (size - 1) * 2048)
            return p >> 11, np.minimum((p >> 11) + 1, size - 1), p & 2047

        y0, y1, fy = taps(oh, h)
        x0, x1, fx = taps(ow, w)
        v = x.astype(np.int64)
        fy, fx = fy[:, None, None], fx[:, None]
        row = lambda r: v[:, r][:, :, x0] * (2048 - fx) + v[:, r][:, :, x1] * fx
        return _clamp((row(y0) * (2048 - fy) + row(y1) * fy + (1 << 21)) >> 22)

    # -- transformer ------------------------------------------------------------------------------------------------

    def _layer_norm(self, op: Op, x, gamma, beta):
        t, out, c = self._in(op, 0), self._out(op), x.shape[3]
        v = x.astype(np.int64)
        total, squares = v.sum(3, keepdims=True), (v * v).sum(3, keepdims=True)
        floor = np.float32(c * c * float(np.float32(_float(op.attributes[0]))) / (t.scale * t.scale))
        inverse = np.float32(1) / np.sqrt((c * squares - total * total).astype(np.float32) + floor)
        g = (gamma.astype(np.float64) / out.scale).astype(np.float32)
        b = (beta.astype(np.float64) / out.scale + out.zero).astype(np.float32)
        centred = (c * v - total).astype(np.float32) * inverse
        return np.clip(np.round(_fma(centred, np.broadcast_to(g, x.shape), np.broadcast_to(b, x.shape))), 0,
                       255).astype(np.uint8)

    def _attention(self, op: Op, q, k, v, r, rb):
        heads, causal = op.attributes
        tq, tk, tv, out = self._in(op, 0), self._in(op, 1), self._in(op, 2), self._out(op)
        n, rows, _, width = q.shape
        keys, dh = k.shape[1], width // heads
        length = 1 if r is None and rb is None else (r.shape[0] if r is not None else rb.shape[1])
        distance = np.arange(keys - rows, keys)[:, None] - np.arange(keys)[None, :]
        near = np.clip(distance, 0, length - 1)
        heads_of = lambda a, zero: (a.astype(np.int64) - zero).reshape(n, -1, heads, dh).transpose(0, 2, 1, 3)
        qh, kh, vh = heads_of(q, tq.zero), heads_of(k, tk.zero), heads_of(v, tv.zero)
        exact = lambda a, b: np.round(a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)
        score = exact(qh, kh.transpose(0, 1, 3, 2))
        if r is not None:
            by = exact(qh, r.astype(np.int64).reshape(length, heads, dh).transpose(1, 2, 0)[None])
            score = score + np.take_along_axis(by, np.broadcast_to(near, score.shape), 3)
        if rb is not None:
            score = score + rb.astype(np.int64)[:, near][None]
        used = np.broadcast_to(distance >= 0, score.shape) if causal else np.ones(score.shape, bool)
        top = np.where(used, score, np.iinfo(np.int64).min).max(3, keepdims=True)
        factor = fixed(16 * tq.scale * tk.scale * 1.4426950408889634 / math.sqrt(dh))
        t = rq(16 * np.clip(top - score, 0, (1 << 26) - 1), factor)
        octaves = t >> 8
        e = np.where(used & (octaves <= 16), EXP2[t & 255] >> np.minimum(octaves, 17), 0)
        p = (e * ((1 << 46) // np.maximum(e.sum(3, keepdims=True), 1)) + (1 << 31)) >> 32
        y = out.zero + rq(exact(p, vh), fixed(tv.scale / (2.0**14 * out.scale)))
        return _clamp(y.transpose(0, 2, 1, 3).reshape(n, rows, 1, width))

    # -- float ------------------------------------------------------------------------------------------------------

    def _softmax(self, op: Op, x):
        e = np.exp(x - x.max(3, keepdims=True))
        return e / e.sum(3, keepdims=True)

    def _reduce(self, op: Op, x):
        flat = x.reshape(len(x), -1)
        return (flat.max(1) if op.attributes[0] else flat.sum(1)).reshape(-1, 1, 1, 1).astype(np.float32)

    def _calibrate(self, op: Op, x, knots):
        y = np.stack([np.interp(x[..., n], k[0], k[1]) for n, k in enumerate(knots)], -1)
        return np.where(np.isnan(x), np.float32(np.nan), y.astype(np.float32))

    def _spectral(self, op: Op, x, past, window, edges):
        self._push(op.inputs[1], x)
        rows = self.states[op.inputs[1]][:, :, 0].astype(np.float64)
        size = rows.shape[1]
        power = np.abs(np.fft.rfft(rows * window[:, None], axis=1)) ** 2
        total = np.concatenate([np.zeros((len(x), 1, x.shape[3])), np.cumsum(power, 1)], 1)
        bands = np.log2(2.0**-20 + (total[:, edges[1:]] - total[:, edges[:-1]]) / size)
        fresh = x[:, :, 0].astype(np.float64)
        centred = fresh - fresh.mean(1, keepdims=True)
        m2, m4 = (centred**2).mean(1), (centred**4).mean(1)
        extra = np.stack([np.log2(2.0**-20 + (fresh**2).mean(1)), np.log2(2.0**-10 + np.abs(fresh).max(1)),
                          m4 / (m2 * m2 + 2.0**-20)], 1)
        return np.concatenate([bands, extra], 1).transpose(0, 2, 1).reshape(len(x), 1, 1, -1).astype(np.float32)
