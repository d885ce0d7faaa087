# SPDX-License-Identifier: Apache-2.0
"""Readers of the developer data set. Each keeps the split that its folder ships with; none reads test parts for a fit."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

DEFAULT = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=DEFAULT, help="folder that holds the data sets")


def folder(root: Path, name: str) -> Path:
    """The folder of one data set; ends the program with one line if it is not there."""
    path = root / name
    if not path.is_dir():
        print(f"skipped: no data set {name} under {root} (give its folder with --data)", file=sys.stderr)
        raise SystemExit(0)
    return path
