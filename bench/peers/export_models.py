#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Exports networks with random weights from PyTorch to ONNX, with the legacy and the dynamo exporter.

usage: export_models.py FOLDER [--only NAME...] [--exporter legacy dynamo]

Needs torch, torchvision, onnx and onnxscript from PyPI. Writes FOLDER/NAME.EXPORTER.onnx; compare_onnx.py reads them.
Batch norms get random statistics, so that folding them is tested.
"""
import argparse
import pathlib
import sys
import warnings

import torch
import torchvision.models as zoo
from torch import nn


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        def block(a, b):
            return nn.Sequential(nn.Conv2d(a, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU(),
                                 nn.Conv2d(b, b, 3, padding=1), nn.BatchNorm2d(b), nn.ReLU())
        self.down = nn.ModuleList([block(3, 16), block(16, 32), block(32, 64)])
        self.up1, self.up2 = nn.ConvTranspose2d(64, 32, 2, 2), nn.Upsample(scale_factor=2, mode="bilinear")
        self.merge1, self.merge2, self.head = block(64, 32), block(48, 16), nn.Conv2d(16, 1, 1)

    def forward(self, x):
        a = self.down[0](x)
        b = self.down[1](nn.functional.max_pool2d(a, 2))
        c = self.down[2](nn.functional.max_pool2d(b, 2))
        d = self.merge1(torch.cat([self.up1(c), b], 1))
        return torch.sigmoid(self.head(self.merge2(torch.cat([self.up2(d), a], 1))))


class YoloHead(nn.Module):
    """SiLU blocks, SPPF, upsample and concat, a distribution over box edges (DFL), anchors from the shape."""
    def __init__(self, classes=5, bins=16):
        super().__init__()
        def conv(a, b, k=3, s=1):
            return nn.Sequential(nn.Conv2d(a, b, k, s, k // 2, bias=False), nn.BatchNorm2d(b), nn.SiLU())
        self.stem, self.deep, self.pool = conv(3, 32, 3, 2), conv(32, 64, 3, 2), nn.MaxPool2d(5, 1, 2)
        self.mix, self.join = conv(192, 64, 1), conv(96, 32)
        self.box, self.cls, self.bins, self.classes = nn.Conv2d(32, 4 * bins, 1), nn.Conv2d(32, classes, 1), bins, classes

    def forward(self, x):
        a = self.stem(x)
        b = self.deep(a)
        p = self.pool(b)
        b = self.mix(torch.cat([b, p, self.pool(p)], 1))
        f = self.join(torch.cat([nn.functional.interpolate(b, scale_factor=2, mode="nearest"), a], 1))
        n, _, h, w = f.shape
        box = self.box(f).view(n, 4, self.bins, h * w).softmax(2)
        edges = (box * torch.arange(self.bins, dtype=torch.float32).view(1, 1, -1, 1)).sum(2)
        gy, gx = torch.meshgrid(torch.arange(h) + 0.5, torch.arange(w) + 0.5, indexing="ij")
        centre = torch.stack([gx, gy]).view(1, 2, -1).to(f.dtype)
        left, right = edges.chunk(2, 1)
        corners = torch.cat([centre - left, centre + right], 1) * 2
        return torch.cat([corners, self.cls(f).view(n, self.classes, -1).sigmoid()], 1)


class Recurrent(nn.Module):
    def __init__(self, kind, **options):
        super().__init__()
        self.net, self.head = kind(12, 24, num_layers=2, batch_first=True, **options), nn.LazyLinear(3)

    def forward(self, x):
        return self.head(self.net(x)[0][:, -1])


class Tcn(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(8 if i == 0 else 32, 32, 3, dilation=2**i) for i in range(5))
        self.head = nn.Linear(32, 4)

    def forward(self, x):
        for i, layer in enumerate(self.layers):
            y = torch.relu(layer(nn.functional.pad(x, (2 * 2**i, 0))))
            x = y + x if x.shape[1] == y.shape[1] else y
        return torch.log_softmax(self.head(x[:, :, -1]), -1)


class Taps(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        n = self.net
        x = n.maxpool(n.relu(n.bn1(n.conv1(x))))
        a = n.layer2(n.layer1(x))
        b = n.layer3(a)
        pool = lambda t: nn.functional.avg_pool2d(t, 3, 1, 1)
        up = nn.functional.interpolate(pool(b), size=a.shape[-2:], mode="bilinear", align_corners=False)
        return torch.cat([pool(a), up], 1)


class Block(nn.Module):
    """Norm first, as vision transformers have it; norms with weights of their own."""
    def __init__(self, width, heads, inner):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))
        for norm in (self.norm1, self.norm2):
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.normal_(norm.bias, std=0.1)

    def forward(self, x):
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self, size=224, patch=16, layers=12, heads=6, width=384, classes=1000):
        super().__init__()
        self.stem = nn.Conv2d(3, width, patch, patch)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.02)
        self.places = nn.Parameter(torch.randn(1, (size // patch) ** 2 + 1, width) * 0.02)
        self.blocks = nn.Sequential(*[Block(width, heads, 4 * width) for _ in range(layers)])
        self.norm, self.head = nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes)

    def forward(self, x):
        x = self.stem(x).flatten(2).permute(0, 2, 1)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


def encoder(width=64, heads=4, inner=128, layers=2):
    layer = nn.TransformerEncoderLayer(width, heads, inner, batch_first=True, activation="gelu")
    return nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)


IMAGE = (1, 3, 224, 224)
NETS = {
    "resnet18": (zoo.resnet18, IMAGE), "resnet50": (zoo.resnet50, IMAGE), "mobilenet_v2": (zoo.mobilenet_v2, IMAGE),
    "mobilenet_v3_small": (zoo.mobilenet_v3_small, IMAGE), "mobilenet_v3_large": (zoo.mobilenet_v3_large, IMAGE),
    "efficientnet_b0": (zoo.efficientnet_b0, IMAGE), "regnet_y_400mf": (zoo.regnet_y_400mf, IMAGE),
    "convnext_tiny": (zoo.convnext_tiny, IMAGE), "swin_t": (zoo.swin_t, IMAGE), "shufflenet_v2": (zoo.shufflenet_v2_x1_0, IMAGE),
    "vit_s": (lambda: zoo.VisionTransformer(224, 16, 4, 6, 384, 1536, num_classes=10), IMAGE),
    "wide_resnet50_taps": (lambda: Taps(zoo.wide_resnet50_2()), IMAGE), "unet": (UNet, (1, 3, 64, 96)),
    "yolo_head": (YoloHead, (1, 3, 64, 96)), "lstm": (lambda: Recurrent(nn.LSTM), (2, 20, 12)),
    "bilstm": (lambda: Recurrent(nn.LSTM, bidirectional=True), (2, 20, 12)), "gru": (lambda: Recurrent(nn.GRU), (2, 20, 12)),
    "rnn": (lambda: Recurrent(nn.RNN), (2, 20, 12)), "tcn": (Tcn, (1, 8, 128)), "encoder": (encoder, (1, 50, 64)),
    "vit_s12": (VisionTransformer, IMAGE), "encoder12": (lambda: encoder(768, 12, 3072, 12), (1, 1024, 768)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--exporter", nargs="*", default=["legacy", "dynamo"])
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    warnings.filterwarnings("ignore")
    failed = 0
    for name, (make, shape) in NETS.items():
        if arguments.only and name not in arguments.only:
            continue
        torch.manual_seed(1)
        net, x = make().eval(), torch.randn(shape)
        net(x)  # lazy layers
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.1)
        for exporter in arguments.exporter:
            path = arguments.folder / f"{name}.{exporter}.onnx"
            try:
                torch.onnx.export(net, (x,), str(path), dynamo=exporter == "dynamo", input_names=["x"], output_names=["y"],
                                  **({"opset_version": 17} if exporter == "legacy" else {"verbose": False}))
                print(f"ok  {path.name}", flush=True)
            except Exception as error:
                failed += 1
                print(f"BAD {path.name}: {str(error).splitlines()[0]}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
