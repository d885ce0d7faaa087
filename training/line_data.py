# SPDX-License-Identifier: Apache-2.0
"""Parts of the simulated line: what `dsmm simulate` wrote, and the features of its sensor hops."""

from __future__ import annotations

import csv
import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from line_net import CLASSES, FEATURES

HOP = 64
SAMPLING = 20_000
FFT = 256
EDGES = np.array([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 22, 24, 27, 30, 33, 36, 40, 44, 48, 54, 60, 68, 78,
                  90, 108], np.int32)
BANDS = len(EDGES) - 1
SLOW = (("current", 1000), ("force", 1000), ("temperature", 100))
WINDOW = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FFT) / FFT)).astype(np.float32)
WARM = 16  # hops before a series may be judged
SERIES_KINDS = ("none", "chatter", "impacts", "misfeed", "weak")


def spectral(samples: np.ndarray) -> np.ndarray:
    """The operator `spectral` over a whole session: (S, 3) f32 -> (hops, 3 * (BANDS + 3)) f32."""
    hops = len(samples) // HOP
    padded = np.concatenate([np.zeros((FFT - HOP, samples.shape[1]), np.float32), samples[:hops * HOP]])
    out = []
    for c in range(samples.shape[1]):
        seen = np.lib.stride_tricks.sliding_window_view(padded[:, c], FFT)[::HOP][:hops]
        power = np.abs(np.fft.rfft(seen * WINDOW, axis=1)) ** 2
        total = np.concatenate([np.zeros((hops, 1)), np.cumsum(power, 1)], 1)
        bands = np.log2(2.0**-20 + (total[:, EDGES[1:]] - total[:, EDGES[:-1]]) / FFT)
        fresh = samples[:hops * HOP, c].reshape(hops, HOP).astype(np.float64)
        centred = fresh - fresh.mean(1, keepdims=True)
        m2, m4 = (centred**2).mean(1), (centred**4).mean(1)
        out += [bands, np.log2(2.0**-20 + (fresh**2).mean(1))[:, None],
                np.log2(2.0**-10 + np.abs(fresh).max(1))[:, None], (m4 / (m2 * m2 + 2.0**-20))[:, None]]
    return np.concatenate(out, 1).astype(np.float32)


def slow_means(values: np.ndarray, rate: int, hops: int) -> np.ndarray:
    """Mean of a slow sensor over each hop, held where nothing is new: (hops,) f32."""
    stop = np.arange(1, hops + 1, dtype=np.int64) * HOP * rate // SAMPLING
    out, held, begin = np.zeros(hops, np.float32), np.float32(0), 0
    for h, end in enumerate(np.minimum(stop, len(values))):
        if end > begin:
            held, begin = values[begin:end].mean(dtype=np.float32), end
        out[h] = held
    return out


@dataclass
class Line:
    """A set of sessions. Arrays over parts unless noted."""

    images: np.ndarray   # (N, 512, 512) u8, memory mapped
    masks: np.ndarray    # (N, 64, 64) u8: 0, 128 weak rub mark, 255 defect
    session: np.ndarray  # (N,) 0, 1, ...
    kind: np.ndarray     # (N,) -1 good, else index into CLASSES
    weak_mark: np.ndarray
    weak_event: np.ndarray
    hop: np.ndarray      # (N,) the newest whole hop at the part's exposure, within its session
    features: list[np.ndarray]  # per session (hops, FEATURES) f32
    raw: list[tuple[np.ndarray, ...]]  # per session: vibration (S, 3), current, force, temperature

    @staticmethod
    def kept(cache: Path, name: str) -> Line:
        """A set that line.py has drawn and stored in its cache."""
        line = pickle.loads((cache / f"{name}.pkl").read_bytes())
        line.images = np.load(cache / name / "images.npy", mmap_mode="r")
        return line

    @property
    def label(self) -> np.ndarray:
        return (self.kind >= 0).astype(np.int64)

    @property
    def image_defect(self) -> np.ndarray:
        return (self.kind >= 0) & (self.kind < 5)

    @property
    def series_kind(self) -> np.ndarray:
        """Index into SERIES_KINDS."""
        return np.where((self.kind >= 5) & (self.kind < 8), self.kind - 4, np.where(self.weak_event > 0, 4, 0))

    @property
    def warm(self) -> np.ndarray:
        return self.hop + 1 >= WARM


def load(folder: str | Path) -> Line:
    folder = Path(folder)
    rows = list(csv.DictReader(open(folder / "parts.csv", newline="")))
    column = lambda name: np.array([int(r[name]) for r in rows])
    kind = np.array([CLASSES.index(r["kind"]) if r["kind"] in CLASSES else -1 for r in rows])
    _, session = np.unique(column("session"), return_inverse=True)
    sensors = {name: np.load(folder / f"{name}.npy", mmap_mode="r")
               for name in ("vibration", *(s for s, _ in SLOW))}
    hop, features, raw = np.zeros(len(rows), np.int64), [], []
    for s in range(session.max() + 1):
        members = np.flatnonzero(session == s)
        part = {}
        for name in sensors:
            begin, end = (column(f"{name}_{edge}")[members] for edge in ("begin", "end"))
            part[name] = np.asarray(sensors[name][begin.min():end.max()], np.float32)
            if name == "vibration":
                hop[members] = (end - begin.min()) // HOP - 1
        table = spectral(part["vibration"])
        slow = [slow_means(part[name].reshape(-1), rate, len(table)) for name, rate in SLOW]
        features.append(np.concatenate([table, np.stack(slow, 1)], 1))
        raw.append(tuple(part.values()))
    assert features[0].shape[1] == FEATURES
    return Line(np.load(folder / "images.npy", mmap_mode="r"), np.load(folder / "masks.npy"), session,
                kind, column("weak_mark"), column("weak_event"), hop, features, raw)


def picture_batch(line: Line, parts: np.ndarray, row: int = 0, column: int = 0,
                  size: int = 512) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops at (32 row, 32 column): u8 (n, 1, size, size) and masks u8 (n, size/8, size/8)."""
    y, x = 32 * row, 32 * column
    order = np.argsort(parts)
    images = np.empty((len(parts), size, size), np.uint8)
    masks = np.empty((len(parts), size // 8, size // 8), np.uint8)
    for i in order:
        images[i] = line.images[parts[i], y:y + size, x:x + size]
        masks[i] = line.masks[parts[i], y // 8:(y + size) // 8, x // 8:(x + size) // 8]
    return torch.from_numpy(images)[:, None], torch.from_numpy(masks)


def merge(lines: list[Line]) -> Line:
    """The sensor side of several lines as one; pictures stay behind."""
    first = np.cumsum([0] + [len(line.features) for line in lines])
    session = np.concatenate([line.session + f for line, f in zip(lines, first)])
    truth = [np.concatenate([getattr(line, f) for line in lines]) for f in ("kind", "weak_mark", "weak_event", "hop")]
    features, raw = ([s for line in lines for s in getattr(line, f)] for f in ("features", "raw"))
    return Line(None, None, session, *truth, features, raw)
