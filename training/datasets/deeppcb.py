# SPDX-License-Identifier: Apache-2.0
"""DeepPCB: binarised bare boards, each with an aligned defect-free template and boxes of six defect types."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

LABELS = ("open", "short", "mousebite", "spur", "copper", "pin_hole")
SIZE = 640
CALIBRATE = ("group50600", "group77000")  # board groups of the train list kept out of the fit


@dataclass
class Pair:
    name: str
    split: str  # fit, calibrate or test
    group: str
    seen: bool  # the board group occurs in the official train list
    image: np.ndarray  # (640, 640, 2) u8: test, template
    boxes: np.ndarray  # (n, 5) s32: left, top, right, bottom, type 0..5


def _grey(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("L"))


def read(folder: Path) -> list[Pair]:
    """All pairs in the order of split.csv. The official train list is divided by board group into fit and calibrate."""
    with open(folder / "split.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    seen = {r["board_group"] for r in rows if r["split"] == "train"}
    pairs = []
    for r in rows:
        name = r["id"]
        image = np.stack([_grey(folder / "images" / f"{name}_{k}.jpg") for k in ("test", "temp")], axis=-1)
        text = (folder / "boxes" / f"{name}.txt").read_text().split()
        boxes = np.array(text, np.int32).reshape(-1, 5)
        boxes[:, 4] -= 1
        split = r["split"]
        if split == "train":
            split = "calibrate" if r["board_group"] in CALIBRATE else "fit"
        pairs.append(Pair(name, split, r["board_group"], r["board_group"] in seen, image, boxes))
    return pairs
