# SPDX-License-Identifier: Apache-2.0
"""Robot welds: per run one row of sensor, sound and photo features, and a few raw runs. Sessions are calendar dates."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MODALITIES = ("sensor", "audio", "image")
CHANNELS = ("Pressure", "CO2 Weld Flow", "Feed", "Primary Weld Current", "Wire Consumed", "Secondary Weld Voltage")


@dataclass
class Runs:
    features: dict[str, np.ndarray]  # modality -> (n, width) f32, NaN free
    bad: np.ndarray  # (n) bool
    kind: np.ndarray  # (n) class names
    session: np.ndarray  # (n) names
    test: np.ndarray  # (n) bool, the split of index.csv: no session is on both sides


def read(folder: Path) -> Runs:
    """The 970 rows of the feature tables in the order of index.csv."""
    with open(folder / "features" / "index.csv", newline="") as f:
        rows = list(csv.DictReader(f))
    features = {m: np.nan_to_num(np.load(folder / "features" / f"{m}.npy").astype(np.float32)) for m in MODALITIES}
    pick = lambda key: np.array([r[key] for r in rows])  # noqa: E731
    return Runs(features, pick("label") == "1", pick("class"), pick("session"), pick("split") == "test")


def read_series(path: Path) -> np.ndarray:
    """One run's six sensor channels, (t, 6) f32 at about 9 Hz; rows that are not numbers are left out."""
    with open(path, newline="") as f:
        table = list(csv.DictReader(f))
    out = []
    for row in table:
        try:
            out.append([float(row[c]) for c in CHANNELS])
        except (TypeError, ValueError):
            continue
    return np.array(out, np.float32)
