# SPDX-License-Identifier: Apache-2.0
"""python training/test_dsmm_train.py: what is trained is what runs."""

from __future__ import annotations

import tempfile
import unittest
from pathlib import Path

import numpy as np
import torch

from dsmm_train import metrics
from dsmm_train.attention import Attention, CausalBlock, LayerNorm
from dsmm_train.dsmm_file import Model, load, pack_i4s, unpack_i4s
from dsmm_train.graph import Constant, Flow, graph_input, graph_output, set_mode, tracing
from dsmm_train.layers import (Add, Concat, Conv2d, Linear, Lut, Mul, QuantizeInput, avg_pool, fold, max_pool, resize,
                               select)
from dsmm_train.quant import Grid, best_grid, snap
from dsmm_train.reference import Reference, fixed, rq


class Everything(torch.nn.Module):
    """One of each picture operator."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.body = Conv2d(1, 8, 5, 2, bits="s8"), Conv2d(8, 12, 3, group=64)
        self.wide = Conv2d(12, 12, 3, dilation=2, relu=False)
        self.add, self.mul, self.join, self.mean = Add(relu=True), Mul(), Concat(), avg_pool()
        self.bend, self.norm = Lut(torch.nn.functional.gelu), LayerNorm(12)
        self.absent, self.last = Constant(1, 1, 36), Linear(36, 3, bits="s8", out="f32")

    def forward(self, x: Flow, flag: Flow) -> tuple[Flow, Flow]:
        y = self.body(self.stem(x))
        y = self.add(y, self.wide(y))
        small = resize(max_pool(y, 2), *y.shape_hwc[:2])
        y = self.join(self.bend(y), self.norm(small), self.mul(y, max_pool(y)))
        mean = self.mean(y)
        return y, self.last(select(flag, mean, self.absent(len(mean.data), mean.grid)))


def settle(net: torch.nn.Module, *inputs: Flow) -> None:
    """Float statistics, folding, grids: a network as it is after training."""
    with torch.no_grad():
        net.train(), net(*inputs)
        net.eval(), fold(net), set_mode(net, "observe")
        net(*inputs)
        set_mode(net, "quantize")


def stored(model: Model) -> Model:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "m.dsmm")
        again = load(Path(folder) / "m.dsmm")
    assert again.to_bytes() == model.to_bytes()
    return again


class Numbers(unittest.TestCase):
    def test_nibbles_come_back(self) -> None:
        rng = np.random.default_rng(1)
        codes, steps = rng.integers(-8, 8, (5, 77)), rng.integers(1, 17, (5, 3))
        want = codes * np.repeat(steps, 32, 1)[:, :77]
        self.assertTrue((unpack_i4s(pack_i4s(codes, steps), 5, 77, 32) == want).all())
        self.assertTrue((unpack_i4s(pack_i4s(codes, None), 5, 77, 0) == codes * 16).all())

    def test_requantize_rounds_half_upwards(self) -> None:
        self.assertEqual(fixed(0.5), (1 << 30, 31))
        self.assertEqual(rq(np.array([3, -3, 1, -1]), fixed(0.5)).tolist(), [2, -1, 1, 0])

    def test_grids_hold_zero(self) -> None:
        for positive in (False, True):
            grid = best_grid(torch.randn(4000).abs() if positive else torch.randn(4000) + 0.5, positive)
            self.assertEqual(float(snap(torch.zeros(1), grid)), 0.0)


class SameNumbers(unittest.TestCase):
    def test_picture_operators(self) -> None:
        torch.manual_seed(3)
        net, grid = Everything(), Grid(1 / 255, 0)
        x = torch.randint(0, 256, (6, 1, 32, 32))
        flag = torch.tensor([1.0, 0, 1, 0, 1, 1]).reshape(6, 1, 1, 1)
        settle(net, Flow(x / 255.0, grid), Flow(flag))
        with torch.no_grad():
            y, score = net(Flow(x / 255.0, grid), Flow(flag))
        model = Model()
        with tracing(model):
            model.program("frame")
            outputs = net(graph_input("x", "u8", (32, 32, 1), grid), graph_input("flag", "f32", (1, 1, 1)))
            for flow, name in zip(outputs, ("y", "score")):
                graph_output(flow, name)
        ran = Reference(stored(model)).run("frame", {"x": x.permute(0, 2, 3, 1).numpy().astype(np.uint8),
                                                     "flag": flag.numpy()})
        want = torch.round(y.data / y.grid.scale + y.grid.zero).permute(0, 2, 3, 1).numpy()
        off = np.abs(ran["y"].astype(int) - want)
        self.assertLessEqual(off.max(), 1)  # float ties of the simulation only
        self.assertLess((off > 0).mean(), 1e-3)
        self.assertLess(np.abs(ran["score"][:, 0, 0] - score.data[:, :, 0, 0].numpy()).max(), 1e-2)

    def test_a_series_streams_as_it_was_trained(self) -> None:
        torch.manual_seed(4)

        class Series(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.scale, self.embed = QuantizeInput(10), Linear(10, 16, relu=True, bits="s8")
                self.block = CausalBlock(16, 2, 6, 32)

            def forward(self, x: Flow) -> Flow:
                return self.block(self.embed(self.scale(x)))

        net, x = Series(), torch.randn(3, 10, 20, 1)
        settle(net, Flow(x))
        with torch.no_grad():
            want = net(Flow(x))
        model = Model()
        with tracing(model):
            model.program("hop")
            graph_output(net(graph_input("x", "f32", (1, 1, 10))), "y")
        run = Reference(stored(model))
        steps = [run.run("hop", {"x": x[:, :, t].permute(0, 2, 1)[:, None].numpy()})["y"] for t in range(20)]
        got = np.concatenate(steps, 1)[:, :, 0]
        codes = torch.round(want.data[..., 0] / want.grid.scale + want.grid.zero).permute(0, 2, 1).numpy()
        off = np.abs(got.astype(int) - codes)
        self.assertLess(off.mean(), 0.05)
        self.assertLessEqual(off.max(), 3)

    def test_attention_without_positions(self) -> None:
        torch.manual_seed(5)
        net = Attention(16, 4)
        grid = Grid(0.03, 128)
        q, k = (snap(torch.randn(2, 16, t, 1), grid) for t in (3, 9))
        settle(net, Flow(q, grid), Flow(k, grid), Flow(k, grid))
        with torch.no_grad():
            want = net(Flow(q, grid), Flow(k, grid), Flow(k, grid))
        model = Model()
        with tracing(model):
            model.program("frame")
            a, b = graph_input("q", "u8", (3, 1, 16), grid), graph_input("k", "u8", (9, 1, 16), grid)
            graph_output(net(a, b, b), "y")
        code = lambda f, g: torch.round(f / g.scale + g.zero).permute(0, 2, 3, 1).numpy()
        inputs = {name: code(x, grid).astype(np.uint8) for name, x in (("q", q), ("k", k))}
        ran = Reference(stored(model)).run("frame", inputs)
        self.assertLessEqual(np.abs(ran["y"].astype(int) - code(want.data, want.grid)).max(), 1)


class Metrics(unittest.TestCase):
    def test_ties_count_half(self) -> None:
        self.assertEqual(metrics.auroc(np.zeros(10), np.arange(10) % 2), 0.5)
        self.assertEqual(metrics.auroc(np.array([0, 1, 2.0]), np.array([0, 0, 1])), 1.0)

    def test_overkill_is_kept(self) -> None:
        good = np.random.default_rng(6).normal(size=1000)
        self.assertLessEqual((good >= metrics.threshold_for(good, 0.01)).sum(), 10)
        self.assertEqual((good >= metrics.threshold_for(good, 0.01)).sum(), 10)

    def test_known_intervals(self) -> None:
        self.assertAlmostEqual(metrics.clopper_pearson(0, 59)[1], 0.0606, places=3)
        self.assertAlmostEqual(metrics.wilson(50, 100)[0], 0.4038, places=3)


if __name__ == "__main__":
    unittest.main()
