# SPDX-License-Identifier: Apache-2.0
"""Writes and reads .dsmm files, byte for byte as docs/format.md defines them; docs/ops.md has the operators.

The same calls in the same order give the same bytes. Nothing is verified here beyond what a typo would break: the
run time's loader is the verifier.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

MAGIC = b"DSMM\r\n\x1a\n"
ALIGNMENT = 64
ABSENT = 0xFFFFFFFF  # marks an optional input that is not there

TYPES = {"u8": 1, "s8": 2, "s32": 3, "f32": 4, "i4s": 5}
KINDS = {"input": 1, "value": 2, "output": 3, "constant": 4, "state": 5}
SECTIONS = {"graph": 1, "strings": 2, "weights": 3, "meta": 8, "selftest": 9}
NUMPY = {"u8": np.uint8, "s8": np.int8, "s32": np.int32, "f32": np.float32}

# name: (id, number of attributes)
OPS = {
    "conv2d": (1, 10), "dwconv2d": (2, 9), "linear": (3, 1), "causal_conv1d": (4, 2), "max_pool": (5, 8),
    "avg_pool": (6, 8), "add": (7, 1), "mul": (8, 1), "concat": (9, 1), "resize": (10, 3), "softmax": (11, 0),
    "layer_norm": (12, 1), "attention": (13, 2), "lut": (14, 0), "append": (15, 0), "spectral": (16, 0),
    "quantize": (17, 0), "dequantize": (18, 0), "select": (19, 0), "calibrate": (20, 0), "reduce": (21, 1),
}


def float_bits(value: float) -> int:
    """The s32 attribute that carries an f32."""
    return struct.unpack("<i", struct.pack("<f", value))[0]


def pack_i4s(codes: np.ndarray, group_scales: np.ndarray | None) -> bytes:
    """codes (O, K) integers -8..7, group_scales (O, G) integers 1..16 or None for one group of scale 16."""
    u = (codes.astype(np.int16) + 8).astype(np.uint8)
    if u.shape[1] % 2:
        u = np.pad(u, ((0, 0), (0, 1)))
    nibbles = (u[:, 0::2] | (u[:, 1::2] << 4)).tobytes()
    return nibbles + (b"" if group_scales is None else group_scales.astype(np.uint8).tobytes())


def unpack_i4s(data: bytes, rows: int, depth: int, group: int) -> np.ndarray:
    """The int8 weights (rows, depth) of an i4s constant."""
    width = (depth + 1) // 2
    nibbles = np.frombuffer(data, np.uint8, rows * width).reshape(rows, width)
    u = np.stack([nibbles & 15, nibbles >> 4], -1).reshape(rows, -1)[:, :depth].astype(np.int32) - 8
    if group == 0:
        return (u * 16).astype(np.int8)
    scales = np.frombuffer(data, np.uint8, offset=rows * width).reshape(rows, -1).astype(np.int32)
    return (u * np.repeat(scales, group, 1)[:, :depth]).astype(np.int8)


@dataclass
class Tensor:
    name: str
    type: str
    kind: str
    dims: tuple[int, ...]
    scale: float = 0.0
    zero: int = 0
    group: int = 0
    data: bytes = b""

    def array(self) -> np.ndarray:
        """A constant's values; i4s as the int8 weights they stand for."""
        if self.type == "i4s":
            depth = int(np.prod(self.dims[1:]))
            return unpack_i4s(self.data, self.dims[0], depth, self.group).reshape(self.dims)
        return np.frombuffer(self.data, NUMPY[self.type]).reshape(self.dims)


@dataclass
class Op:
    kind: str
    name: str
    inputs: list[int]
    outputs: list[int]
    attributes: list[int]


@dataclass
class Model:
    """A graph under construction, or one that was read."""

    tensors: list[Tensor] = field(default_factory=list)
    programs: list[tuple[str, list[Op]]] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    self_tests: list[tuple[int, int, int, bytes]] = field(default_factory=list)  # program, runs, seed, SHA-256

    def tensor(self, name: str, kind: str, type: str, shape: tuple[int, int, int], scale: float = 0.0,
               zero: int = 0) -> int:
        """An input, value, output or state of shape (H, W, C); scale and zero point for u8 only."""
        self.tensors.append(Tensor(name, type, kind, tuple(int(d) for d in shape), float(np.float32(scale)), int(zero)))
        return len(self.tensors) - 1

    def constant(self, name: str, values: np.ndarray, scale: float = 0.0, zero: int = 0) -> int:
        """A u8 (with scale and zero point), s8, s32 or f32 array; the type is the array's."""
        values = np.ascontiguousarray(values)
        type = next(t for t, n in NUMPY.items() if values.dtype == n)
        self.tensors.append(Tensor(name, type, "constant", values.shape, float(np.float32(scale)), int(zero), 0,
                                   values.astype(values.dtype.newbyteorder("<")).tobytes()))
        return len(self.tensors) - 1

    def constant_i4s(self, name: str, codes: np.ndarray, group_scales: np.ndarray | None, group: int) -> int:
        """codes (O, ...) integers -8..7; group_scales (O, G) integers 1..16, groups of `group` values along K."""
        data = pack_i4s(codes.reshape(codes.shape[0], -1), group_scales)
        self.tensors.append(Tensor(name, "i4s", "constant", codes.shape, 0.0, 0, group, data))
        return len(self.tensors) - 1

    def program(self, name: str) -> None:
        """Ops that follow belong to this program."""
        self.programs.append((name, []))

    def op(self, kind: str, name: str, inputs: list[int], outputs: list[int], attributes: tuple[int, ...] = ()) -> None:
        if len(attributes) != OPS[kind][1]:
            raise ValueError(f"{kind} {name}: needs {OPS[kind][1]} attributes, got {len(attributes)}")
        self.programs[-1][1].append(Op(kind, name, list(inputs), list(outputs), [int(a) for a in attributes]))

    def find(self, name: str) -> int:
        """Index of the input, output or state of that name."""
        return next(i for i, t in enumerate(self.tensors) if t.name == name and t.kind not in ("constant", "value"))

    # -- bytes ------------------------------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        strings, known = bytearray(), {}

        def string(text: str) -> tuple[int, int]:
            raw = text.encode()
            if text not in known:
                known[text] = len(strings)
                strings.extend(raw)
            return known[text], len(raw)

        weights, rows = bytearray(), []
        for t in self.tensors:
            offset = length = 0
            at = string(t.name)
            if t.kind == "constant":
                weights.extend(bytes(-len(weights) % ALIGNMENT))
                offset, length = len(weights), len(t.data)
                weights.extend(t.data)
            dims = list(t.dims) + [1] * (6 - len(t.dims))
            rows.append(struct.pack("<IIBBBBI6ifiQQQ", *at, TYPES[t.type], KINDS[t.kind], len(t.dims), 0, t.group,
                                    *dims, t.scale, t.zero, offset, length, 0))
        ops, programs, indices, attributes = [], [], [], []
        for name, members in self.programs:
            programs.append(struct.pack("<IIII", *string(name), len(ops), len(members)))
            for op in members:
                first_in = len(indices)
                indices += op.inputs
                first_out = len(indices)
                indices += op.outputs
                ops.append(struct.pack("<8I", OPS[op.kind][0], *string(op.name), first_in, len(op.inputs), first_out,
                                       len(op.outputs), len(attributes)))
                attributes += op.attributes
        graph = struct.pack("<8I", len(rows), len(ops), len(programs), len(indices), len(attributes), 0, 0, 0)
        graph += b"".join(rows) + b"".join(ops) + b"".join(programs)
        graph += struct.pack(f"<{len(indices)}I", *indices) + struct.pack(f"<{len(attributes)}i", *attributes)
        meta = "".join(f"{k}={self.meta[k]}\n" for k in sorted(self.meta)).encode()
        tests = b"".join(struct.pack("<IIQ", p, runs, seed) + digest for p, runs, seed, digest in self.self_tests)
        sections = {"graph": graph, "strings": strings, "weights": weights, "meta": meta, "selftest": tests}
        parts = [(SECTIONS[k], bytes(b)) for k, b in sections.items() if b]

        table, end = b"", 128 + 64 * len(parts)
        body = bytearray()
        for kind, data in parts:
            gap = -end % ALIGNMENT
            body.extend(bytes(gap) + data)
            table += struct.pack("<IIQQQ", kind, 1, end + gap, len(data), 0) + hashlib.sha256(data).digest()
            end += gap + len(data)
        header = MAGIC + struct.pack("<HHIQII", 1, 0, 0x01020304, end, len(parts), 0)
        return header + hashlib.sha256(table).digest() + bytes(64) + table + bytes(body)

    def save(self, path: str | Path) -> int:
        """Writes the file; returns its size in bytes."""
        data = self.to_bytes()
        Path(path).write_bytes(data)
        return len(data)


def load(path: str | Path) -> Model:
    """Reads a file that this module or the run time wrote. Errors: ValueError if it is not one or is damaged."""
    raw = Path(path).read_bytes()
    if raw[:8] != MAGIC:
        raise ValueError(f"{path}: not a .dsmm file")
    count = struct.unpack_from("<I", raw, 24)[0]
    sections = {}
    for i in range(count):
        kind, _, offset, length, _ = struct.unpack_from("<IIQQQ", raw, 128 + 64 * i)
        sections[kind] = raw[offset:offset + length]
        if hashlib.sha256(sections[kind]).digest() != raw[128 + 64 * i + 32:128 + 64 * i + 64]:
            raise ValueError(f"{path}: section {kind} is damaged")
    graph, strings = sections[1], sections[2]
    weights = sections.get(3, b"")
    tensor_count, op_count, program_count, index_count, attribute_count = struct.unpack_from("<5I", graph)
    text = lambda offset, length: strings[offset:offset + length].decode()
    type_of, kind_of = {v: k for k, v in TYPES.items()}, {v: k for k, v in KINDS.items()}
    op_of = {v[0]: (k, v[1]) for k, v in OPS.items()}
    model, at = Model(), 32
    for _ in range(tensor_count):
        name, size, type, kind, rank, _, group, *rest = struct.unpack_from("<IIBBBBI6ifiQQQ", graph, at)
        scale, zero, offset, length = rest[6:10]
        model.tensors.append(Tensor(text(name, size), type_of[type], kind_of[kind], tuple(rest[:rank]), scale, zero,
                                    group, weights[offset:offset + length]))
        at += 72
    op_rows = [struct.unpack_from("<8I", graph, at + 32 * i) for i in range(op_count)]
    at += 32 * op_count
    program_rows = [struct.unpack_from("<4I", graph, at + 16 * i) for i in range(program_count)]
    at += 16 * program_count
    indices = struct.unpack_from(f"<{index_count}I", graph, at)
    attributes = struct.unpack_from(f"<{attribute_count}i", graph, at + 4 * index_count)
    for name, size, first, members in program_rows:
        model.program(text(name, size))
        for kind, op_name, op_size, fi, ni, fo, no, fa in op_rows[first:first + members]:
            op_kind, attribute_total = op_of[kind]
            model.op(op_kind, text(op_name, op_size), list(indices[fi:fi + ni]), list(indices[fo:fo + no]),
                     attributes[fa:fa + attribute_total])
    for line in sections.get(8, b"").decode().splitlines():
        key, _, value = line.partition("=")
        model.meta[key] = value
    tests = sections.get(9, b"")
    for i in range(0, len(tests), 48):
        model.self_tests.append((*struct.unpack_from("<IIQ", tests, i), tests[i + 16:i + 48]))
    return model
