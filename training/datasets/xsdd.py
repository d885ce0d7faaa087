# SPDX-License-Identifier: Apache-2.0
"""X-SDD: 128x128 pictures of hot-rolled steel strip, seven defect classes, no defect-free class."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = ("finishing_roll_printing", "iron_sheet_ash", "oxide_scale_of_plate_system",
          "oxide_scale_of_temperature_system", "red_iron", "slag_inclusion", "surface_scratch")
SIZE = 128


def read(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{"train": (images (n, 128, 128, 1) u8, labels (n)), "test": ...} in the order of split.csv."""
    out = {}
    with open(folder / "split.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    for split in ("train", "test"):
        mine = [r for r in rows if r["split"] == split]
        images = np.stack([_picture(folder / r["image"]) for r in mine])
        out[split] = images, np.array([LABELS.index(r["class"]) for r in mine])
    return out


def _picture(path: Path) -> np.ndarray:
    image = Image.open(path).convert("L")  # the three channels are equal
    if image.size != (SIZE, SIZE):  # two of the 1209 are 122 and 130 pixels wide
        image = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
    return np.asarray(image)[..., None]
