# SPDX-License-Identifier: Apache-2.0
"""The network of the line: a picture encoder, a causal series encoder, and bottleneck tokens that read both."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from dsmm_train.attention import Attention, CausalBlock, Feedforward, LayerNorm
from dsmm_train.graph import Constant, Flow
from dsmm_train.layers import Add, Concat, Conv2d, Linear, Lut, QuantizeInput, max_pool, resize, select
from dsmm_train.quant import Grid

SIZE = 512
WIDTH = 64
MEMORY = 8       # hops of the series that a frame looks back on
WINDOW = 24      # hops that a series layer looks back on
TOKENS = 8       # bottleneck
FEATURES = 99    # spectral and slow values per hop
CLASSES = ("scratch", "dent", "crack", "missing_hole", "chip", "chatter", "impacts", "misfeed", "tool_rub")
PICTURE = Grid(1 / 255, 0)
Conv, Dense = partial(Conv2d, group=64), partial(Linear, group=64)


class Encoder(nn.Module):
    """Picture (H, W, 1) -> fine (H/8, W/8, 32), coarse (H/32, W/32, 64). 0.19 G multiply-adds at 512 x 512."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(1, 16, 5, 2, bits="s8")
        self.s2, self.s3, self.s3b = Conv(16, 16, 3, 2), Conv(16, 32, 3, 2), Conv(32, 32)
        self.s4, self.s4b = Conv(32, 48, 3, 2), Conv(48, 64)
        self.s5, self.s5b = Conv(64, WIDTH, 3, 2), Conv(WIDTH, WIDTH)
        self.place, self.placed = Constant(SIZE // 32, SIZE // 32, WIDTH, 0.1), Add(relu=True)
        self.join4, self.join3 = Concat(positive=True), Concat(positive=True)
        self.up4, self.up3 = Conv(128, 32, 1), Conv(64, 32, 1)

    def forward(self, x: Flow, at: torch.Tensor | None = None) -> tuple[Flow, Flow]:
        """at: (N, 2) row and column where each crop begins, in units of 32 pixels; None for whole pictures."""
        c3 = self.s3b(self.s3(self.s2(self.stem(x))))
        c4 = self.s4b(self.s4(c3))
        c5 = self.s5(c4)
        n, _, h, w = c5.data.shape
        place = self.place(n)
        if at is not None:
            rows, columns = (at[:, i, None] + torch.arange(size) for i, size in ((0, h), (1, w)))
            place.data = place.data[0][:, rows[:, :, None], columns[:, None, :]].transpose(0, 1)
        coarse = self.s5b(self.placed(c5, place))
        u4 = self.up4(self.join4(c4, resize(coarse, 2 * h, 2 * w)))
        return self.up3(self.join3(c3, resize(u4, 4 * h, 4 * w))), coarse


class ImageNet(nn.Module):
    """The encoder with its own heads: marks (defect, weak rub) per cell, the heat map, and one score per picture."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Encoder()
        self.marks = Conv2d(32, 2, 1, relu=False, bn=False, bits="s8", out="f32")
        self.heat = Conv2d(32, 1, 1, relu=False, bn=False, bits="s8")
        self.shade = Lut(torch.sigmoid, Grid(1 / 255, 0))
        self.worst, self.both = QuantizeInput(2, 10.0), Concat()
        self.hidden = Linear(34, 32, relu=True, bits="s8")
        self.score = Linear(32, 1, bits="s8", out="f32")
        for head in (self.marks, self.heat):
            nn.init.normal_(head.weight, std=0.05)
            nn.init.constant_(head.bias, -4.0)

    def cells(self, x: Flow, at: torch.Tensor | None = None) -> tuple[Flow, Flow, Flow, Flow]:
        """fine, coarse, marks, heat logits"""
        fine, coarse = self.encoder(x, at)
        return fine, coarse, self.marks(fine), self.heat(fine)

    def summary(self, fine: Flow, marks: Flow) -> Flow:
        """(1, 1, 34): the strongest response of every map."""
        return self.both(max_pool(fine), self.worst(max_pool(marks)))

    def judge(self, summary: Flow) -> Flow:
        return self.score(self.hidden(summary))


class SeriesNet(nn.Module):
    """Features of successive hops (T, 1, FEATURES) -> tokens (T, 1, 64); its heads read the newest MEMORY of them."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = QuantizeInput(FEATURES)
        self.embed = Linear(FEATURES, WIDTH, relu=True, bits="s8")
        self.embed2 = Dense(WIDTH, WIDTH)
        self.blocks = nn.ModuleList([CausalBlock(WIDTH, 4, WINDOW, 128, group=64) for _ in range(2)])
        self.pool = SeriesPool()

    def tokens(self, x: Flow) -> Flow:
        y = self.embed2(self.embed(self.scale(x)))
        for i, block in enumerate(self.blocks):
            y = block(y, f"series{i}")
        return y


class SeriesPool(nn.Module):
    """What the newest tokens say of the part in view: a vector of 64, and one score."""

    def __init__(self) -> None:
        super().__init__()
        self.thin = Dense(WIDTH, 32, relu=True)
        self.whole = Conv(32, WIDTH, (MEMORY, 1), padding=0, bn=False)
        self.score = Linear(WIDTH, 1, bits="s8", out="f32")
        self.kind = Linear(WIDTH, 5, bits="s8", out="f32")  # teaches only: none, chatter, impacts, misfeed, weak

    def forward(self, memory: Flow) -> Flow:
        """memory (MEMORY, 1, 64) -> (1, 1, 64)"""
        return self.whole(self.thin(memory))


class FusionLayer(nn.Module):
    """Bottleneck tokens read the evidence of both sides."""

    def __init__(self) -> None:
        super().__init__()
        self.k, self.v = Dense(WIDTH, WIDTH), Dense(WIDTH, WIDTH)
        self.attention, self.out = Attention(WIDTH, 4), Dense(WIDTH, WIDTH)
        self.add, self.norm, self.feed = Add(), LayerNorm(WIDTH), Feedforward(WIDTH, 512, group=64)

    def forward(self, query: Flow, tokens: Flow, evidence: Flow) -> Flow:
        read = self.out(self.attention(query, self.k(evidence), self.v(evidence)))
        return self.feed(self.norm(self.add(read, tokens)))


class Fusion(nn.Module):
    """Picture strips and summary, series memory and vector -> joint score and class scores.

    A side whose flag is 0 is replaced by learned absent tokens, so the result never depends on what stands there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.strips, self.seen = Dense(WIDTH, WIDTH), Dense(34, WIDTH)
        self.steps, self.felt = Dense(WIDTH, WIDTH), Dense(WIDTH, WIDTH)
        self.age, self.aged = Constant(MEMORY, 1, WIDTH, 0.2), Add()
        self.row, self.placed = Constant(8, 1, WIDTH, 0.2), Add()
        self.absent = nn.ModuleList([Constant(1, 1, WIDTH, 0.5) for _ in range(4)])
        self.evidence = Concat("h")
        self.bottleneck = Constant(TOKENS, 1, WIDTH)
        self.first, self.second = FusionLayer(), FusionLayer()
        self.query = Dense(WIDTH, WIDTH)
        self.gather = Concat()
        self.hidden = Dense(3 * WIDTH, 96, relu=True)
        self.joint = Linear(96, 1, bits="s8", out="f32")
        self.kind = Linear(96, len(CLASSES), bits="s8", out="f32")

    def forward(self, has_image: Flow, has_series: Flow, strips: Flow, summary: Flow, memory: Flow,
                vector: Flow) -> tuple[Flow, Flow]:
        n = summary.data.shape[0]

        def present(flag: Flow, x: Flow, absent: Constant) -> Flow:
            return select(flag, x, absent(n, x.grid))

        image = present(has_image, self.placed(self.strips(strips), self.row(n)), self.absent[0])
        seen = present(has_image, self.seen(summary), self.absent[1])
        series = present(has_series, self.aged(self.steps(memory), self.age(n)), self.absent[2])
        felt = present(has_series, self.felt(vector), self.absent[3])
        evidence = self.evidence(image, seen, series, felt)
        tokens = self.bottleneck(n)
        tokens = self.first(tokens, tokens, evidence)
        tokens = self.second(self.query(tokens), tokens, evidence)
        y = self.hidden(self.gather(max_pool(tokens), seen, felt))
        return self.joint(y), self.kind(y)
