# SPDX-License-Identifier: Apache-2.0
"""The trained line network as one .dsmm file: program "hop" for the sensors, program "frame" for a part."""

from __future__ import annotations

import numpy as np
import torch

from dsmm_train.dsmm_file import Model
from dsmm_train.graph import (Flow, emit, graph_append, graph_input, graph_output, graph_state, traced, tracing)
from dsmm_train.layers import Concat, calibrate, max_pool, reduce
from line_data import EDGES, FFT, HOP, SLOW, WINDOW
from line_heads import LineNet, strips_of
from line_net import CLASSES, MEMORY, PICTURE, SIZE, WIDTH

KNOTS = 12


def p_value_knots(good: np.ndarray, top: float) -> np.ndarray:
    """-log10 of the share of good calibration parts that score as high: (2, KNOTS), rising up to the score `top`."""
    good = np.sort(good.astype(np.float64))[::-1]
    ranks = np.unique(np.geomspace(1, len(good), KNOTS - 1).astype(int))[::-1]
    x = good[ranks - 1]
    y = -np.log10((ranks + 1) / (len(good) + 1))
    best = good[0]
    slope = 3.0 / max(top - best, 1e-3)  # beyond every good part: on to three more decades at `top`
    x, y = np.append(x, max(top, best + 1e-3)), np.append(y, y[-1] + slope * max(top - best, 1e-3))
    while len(x) < KNOTS:
        x, y = np.append(x, x[-1] + 1), np.append(y, y[-1])
    for i in range(1, KNOTS):
        x[i] = max(x[i], np.nextafter(np.float32(x[i - 1]), np.float32(np.inf)))
    return np.stack([x, y]).astype(np.float32)


def late_scores(knots: np.ndarray, image: np.ndarray, series: np.ndarray) -> np.ndarray:
    return np.interp(image, *knots[0]) + np.interp(series, *knots[1])


def hop_program(net: LineNet) -> Flow:
    """Returns the series memory that the frame program reads."""
    model = traced()
    model.program("hop")
    samples = graph_input("vibration", "f32", (HOP, 1, 3))
    slow = graph_input("slow", "f32", (1, 1, len(SLOW)))
    past = graph_state("vibration.past", FFT, 3, None)
    window = model.constant("hann", WINDOW)
    edges = model.constant("bands", EDGES)
    data = torch.zeros(1, 3 * (len(EDGES) + 2), 1, 1)
    bands = emit("spectral", [samples.index, past.index, window, edges], data, None)
    tokens = net.series.tokens(Concat(quantized=False)(bands, slow))
    memory = graph_state("memory", MEMORY, WIDTH, tokens.grid)
    graph_append(tokens, memory)
    return memory


def frame_program(net: LineNet, memory: Flow, knots: np.ndarray) -> None:
    traced().program("frame")
    picture = graph_input("image", "u8", (SIZE, SIZE, 1), PICTURE)
    has_image = graph_input("has_image", "f32", (1, 1, 1))
    has_series = graph_input("has_series", "f32", (1, 1, 1))
    fine, coarse, marks, heat = net.image.cells(picture)
    graph_output(net.image.shade(heat), "map")
    summary = net.image.summary(fine, marks)
    vector = net.series.pool(memory)
    image, series = net.image.judge(summary), net.series.pool.score(vector)
    late = reduce(calibrate(Concat(quantized=False)(image, series), knots), "sum")
    joint, kind = net.fusion(has_image, has_series, strips_of(coarse), summary, memory, vector)
    for flow, name in ((image, "image_score"), (series, "series_score"), (late, "late_score"), (joint, "joint_score"),
                       (kind, "class")):
        graph_output(flow, name)


def picture_encoder(net: LineNet) -> Model:
    """The picture side alone, with the values that the heads read as outputs: to encode many parts quickly."""
    net.eval()
    model = Model()
    with tracing(model):
        model.program("frame")
        fine, coarse = net.image.encoder(graph_input("image", "u8", (SIZE, SIZE, 1), PICTURE))
        worst = max_pool(net.image.marks(fine))
        for flow, name in ((strips_of(coarse), "strips"), (max_pool(fine), "finest"), (worst, "worst")):
            graph_output(flow, name)
    return model


def export(net: LineNet, knots: np.ndarray, thresholds: dict[str, float], decision: str) -> Model:
    """thresholds: image, series, joint, late, map; decision: the score that the verdict is taken on."""
    net.eval()
    model = Model()
    with tracing(model):
        frame_program(net, hop_program(net), knots)
    model.meta = {
        "product": "milled plate of the simulated line", "name": "line", "version": "1", "decision": decision,
        "image.width": str(SIZE), "image.height": str(SIZE), "image.format": "gray8", "hop.samples": str(HOP),
        "labels": ",".join(CLASSES),
        **{f"threshold.{k}": f"{v:.6g}" for k, v in thresholds.items()},
    }
    sensors = [("vibration", 20000, 3, "hop")] + [(name, rate, 1, "slow") for name, rate in SLOW]
    for i, (name, rate, channels, role) in enumerate(sensors):
        entry = {"name": name, "rate_hz": rate, "channels": channels, "role": role}
        model.meta |= {f"sensor.{i}.{key}": str(value) for key, value in entry.items()}
    return model
