# SPDX-License-Identifier: Apache-2.0
"""python training/test_line_score.py: a line model judged in two halves answers as in one piece."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np

from dsmm_train import dsmm_file
from dsmm_train.reference import Reference
from line_score import picture_side

MODEL = Path(__file__).resolve().parents[1] / "models" / "line.dsmm"


class Halves(unittest.TestCase):
    def test_same_answers(self) -> None:
        model = dsmm_file.load(MODEL)
        rng, state = np.random.default_rng(1), model.find("memory")
        image = rng.integers(0, 256, (2, *model.tensors[model.find("image")].dims), np.uint8)
        memory = rng.integers(0, 256, (2, *model.tensors[state].dims), np.uint8)
        flags = {"has_image": np.ones((2, 1, 1, 1), np.float32), "has_series": np.ones((2, 1, 1, 1), np.float32)}

        def run(part: dsmm_file.Model, inputs: dict) -> dict:
            reference = Reference(part)
            reference.states = {state: memory}
            return reference.run("frame", inputs)

        whole = run(model, {"image": image} | flags)
        side, rest = picture_side(model)
        seen = Reference(dsmm_file.load(self.written(side))).run("frame", {"image": image})
        halves = run(rest, seen | flags) | {"image_score": seen["image_score"]}
        for name in ("image_score", "series_score", "late_score", "joint_score", "class"):
            np.testing.assert_array_equal(whole[name], halves[name], name)

    def written(self, model: dsmm_file.Model) -> Path:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "side.dsmm"
        model.save(path)
        return path


if __name__ == "__main__":
    unittest.main()
