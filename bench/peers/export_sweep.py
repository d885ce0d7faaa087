#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Small networks with random weights by both of PyTorch's exporters and several operator sets, imported and compared
with ONNX Runtime: one line a file.

usage: export_sweep.py DSMM FOLDER [NAME...]

Needs torch, torchvision, timm, onnxscript and onnxruntime from PyPI. "ok" is a largest difference of 1e-4 of the largest
output; "not exported" is the exporter's refusal.
"""
import contextlib
import io
import pathlib
import subprocess
import sys
import warnings

import numpy as np
import onnxruntime as ort
import timm
import torch
import torch.nn.functional as F
import torchvision.models as zoo
from torch import nn

warnings.filterwarnings("ignore")
FORMS = [(23, True), (20, True), (18, True), (17, False), (11, False)]  # operator set, whether by dynamo


class Attention(nn.Module):
    """Scaled dot products behind an RMS norm."""

    def __init__(self, causal=False, mask=False, grouped=False):
        super().__init__()
        inner = 32 if grouped else 64
        self.q, self.k, self.v = nn.Linear(64, 64), nn.Linear(64, inner), nn.Linear(64, inner)
        self.causal, self.mask, self.grouped, self.norm = causal, mask, grouped, nn.RMSNorm(64)

    def forward(self, x):
        b, t, _ = x.shape
        x = self.norm(x)
        q, k, v = (layer(x).view(b, t, -1, 16).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mask = torch.arange(t)[None, :] <= torch.arange(t)[:, None] + 2 if self.mask else None
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=self.causal, enable_gqa=self.grouped)
        return y.transpose(1, 2).reshape(b, t, 64)


class MemoryBank(nn.Module):
    """Distances of a picture's features to the nearest of a bank."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1))
        self.register_buffer("bank", torch.randn(50, 32))

    def forward(self, x):
        f = F.avg_pool2d(self.net(x), 3, 1, 1).flatten(2).transpose(1, 2)
        nearest = torch.cdist(f, self.bank[None]).min(-1).values
        return F.interpolate(nearest.view(1, 1, 8, 8), size=(32, 32), mode="bilinear"), nearest.amax(1)


class StudentTeacher(nn.Module):
    def __init__(self):
        super().__init__()
        def net():
            return nn.Sequential(nn.Conv2d(3, 16, 3, 1, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1))
        self.teacher, self.student = net(), net()

    def forward(self, x):
        a, b = F.normalize(self.teacher(x), dim=1), F.normalize(self.student(x), dim=1)
        return F.interpolate(((a - b) ** 2).mean(1, keepdim=True), scale_factor=2.0, mode="bilinear")


class Spectrum(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("window", torch.hann_window(64))
        self.head = nn.Linear(33, 8)

    def forward(self, x):
        bins = torch.stft(x, 64, 32, window=self.window, return_complex=True, center=False)
        return self.head(torch.log1p(bins.abs()).transpose(1, 2))


class Warp(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x):
        grid = F.affine_grid(torch.eye(2, 3)[None] * 0.9, (1, 3, 16, 16), align_corners=False)
        return self.conv(F.grid_sample(x, grid, align_corners=False))


class Einsum(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.randn(4, 16, 16))

    def forward(self, x):
        return torch.einsum("bthd,hde->bthe", x.view(1, 10, 4, 16), self.w).flatten(2)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, 2, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(32, 8, batch_first=True)

    def forward(self, x):
        return self.gru(self.lstm(x)[0])


class Groups(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.group = nn.Conv2d(3, 32, 3, 2, 1), nn.GroupNorm(8, 32)
        self.shuffle, self.instance = nn.PixelShuffle(2), nn.InstanceNorm2d(8, affine=True)

    def forward(self, x):
        return self.instance(self.shuffle(F.mish(self.group(self.conv(x)))))


class Segmentation(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)["out"]


def encoder(**options):
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


def networks():
    """Name: (how to make it, shapes of its inputs)."""
    picture, tokens, segment = [(1, 3, 64, 64)], [(1, 12, 64)], zoo.segmentation
    none = dict(weights=None, weights_backbone=None)
    return {
        "attention": (Attention, tokens), "attention_causal": (lambda: Attention(causal=True), tokens),
        "attention_mask": (lambda: Attention(mask=True), tokens),
        "attention_grouped": (lambda: Attention(grouped=True), tokens),
        "memory_bank": (MemoryBank, [(1, 3, 32, 32)]), "student_teacher": (StudentTeacher, [(1, 3, 32, 32)]),
        "spectrum": (Spectrum, [(1, 512)]), "warp": (Warp, [(1, 3, 16, 16)]), "einsum": (Einsum, [(1, 10, 64)]),
        "recurrent": (Recurrent, [(1, 9, 8)]), "groups": (Groups, [(1, 3, 16, 16)]),
        "encoder_pre_norm": (lambda: encoder(norm_first=True), [(1, 7, 32)]),
        "encoder_post_norm": (lambda: encoder(activation="gelu"), [(1, 7, 32)]),
        "multihead": (lambda: nn.MultiheadAttention(32, 4, batch_first=True), [(1, 5, 32)] * 3),
        "resnet18": (zoo.resnet18, picture), "mobilenet_v3_small": (zoo.mobilenet_v3_small, picture),
        "efficientnet_b0": (zoo.efficientnet_b0, picture), "regnet_y_400mf": (zoo.regnet_y_400mf, picture),
        "convnext_tiny": (zoo.convnext_tiny, picture),
        "vit_tiny": (lambda: timm.create_model("vit_tiny_patch16_224", img_size=64), picture),
        "dinov2_small": (lambda: timm.create_model("vit_small_patch14_dinov2", img_size=56), [(1, 3, 56, 56)]),
        "swin_t": (zoo.swin_t, picture), "swin_v2_t": (zoo.swin_v2_t, picture),
        "maxvit_t": (zoo.maxvit_t, [(1, 3, 224, 224)]),
        "lraspp": (lambda: Segmentation(segment.lraspp_mobilenet_v3_large(**none)), picture),
        "deeplabv3": (lambda: Segmentation(segment.deeplabv3_mobilenet_v3_large(**none)), picture),
    }


def export(net, inputs, path, opset, dynamo):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        torch.onnx.export(net, inputs, path, opset_version=opset, dynamo=dynamo)


def compare(dsmm, path, inputs):
    """What became of one file, in words."""
    peer = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    feed = {v.name: x.numpy() for v, x in zip(peer.get_inputs(), inputs)}
    made, results = path.with_suffix(".dsmm"), path.with_suffix(".results")
    done = subprocess.run([dsmm, "import", path, "-o", made], capture_output=True, text=True)
    if done.returncode != 0:
        return "refused: " + done.stderr.strip().splitlines()[-1]
    command = [dsmm, "run", made, "--output", results]
    for name, value in feed.items():
        file = path.with_suffix(f".{name.replace('/', '_')}.npy")
        np.save(file, value)
        command += ["--input", f"{name}={file}"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        return "not run: " + done.stderr.strip().splitlines()[-1]
    worst = 0.0
    for value, right in zip(peer.get_outputs(), peer.run(None, feed)):
        got = np.load(results / f"{value.name.replace('/', '_')}.npy")
        worst = max(worst, float(np.abs(got.reshape(right.shape) - right).max() / max(np.abs(right).max(), 1e-9)))
    return f"{'ok' if worst <= 1e-4 else 'WRONG'} {worst:.1e}"


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    dsmm, folder, only = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3:]
    folder.mkdir(parents=True, exist_ok=True)
    for name, (make, shapes) in networks().items():
        if only and name not in only:
            continue
        torch.manual_seed(0)
        net, inputs = make().eval(), tuple(torch.randn(*shape) for shape in shapes)
        for opset, dynamo in FORMS:
            exporter = "dynamo" if dynamo else "legacy"
            path = folder / f"{name}.{opset}.{exporter}.onnx"
            try:
                export(net, inputs, path, opset, dynamo)
            except Exception as error:  # the exporters raise what they like
                print(name, opset, exporter, "not exported:", str(error).splitlines()[0][:80], flush=True)
                continue
            print(name, opset, exporter, compare(dsmm, path, inputs), flush=True)


if __name__ == "__main__":
    main()
