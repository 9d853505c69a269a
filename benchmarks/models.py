"""Untrained networks made fit to be measured: batch norm warmed up, answers of an ordinary size."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.append(str(Path(__file__).parent))

from images import structured  # recipes load this file by its path

SIZE = 224
WARM_UP = 16
# Batch norm that only centres and scales makes an untrained network chaotic: rounding to 8 bits grew to 10.6 dB in
# mobilenet_v2, and float16 to 33. Kept half-way open and damped as in trained networks it is 33 dB in mobilenet_v2 and
# 26 to 43 in the others.
NORM_BIAS, NORM_WEIGHT = 1.0, 0.7
TORCHVISION = ("mobilenet_v2", "mobilenet_v3_large", "resnet18")
GROWING = ("resnet152", "vit_b_16", "vit_l_16")
"""Only built, never timed: see growth.py."""
TIMM = {
    "efficientnet_lite0": "efficientnet_lite0",
    "vit_tiny": "vit_tiny_patch16_224",
    "mobilenetv4_conv_small": "mobilenetv4_conv_small",
}
NAMES = (*TORCHVISION, *TIMM)
COUNTED = ("mobilenet_v3_small",)
"""Only counted: see arm_counts.py."""


def warmed(name: str, fold: bool = True, channels_last: bool = False) -> nn.Module:
    """A network by its name in NAMES, in eval mode: image [1, 3, 224, 224] → logits [1, 1000]; always the same.

    Batch norm holds the statistics of structured images and the logits have deviation 1: an untrained network as it
    comes answers 1e-9, and its int8 twin exactly 0. `fold=False` writes each batch norm as a multiply and an add that
    no exporter takes for one; `channels_last` makes the network take [1, 224, 224, 3].
    """
    torch.manual_seed(0)
    net = _build(name)
    images = torch.from_numpy(structured(WARM_UP, SIZE, seed=1)[:, 0])
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    with torch.no_grad():
        for norm in norms:
            norm.momentum = None  # the average over all batches
            norm.bias.fill_(NORM_BIAS)
            norm.weight.fill_(NORM_WEIGHT)
        if norms:
            net.train()
            for batch in images.split(WARM_UP // 2):
                net(batch)
        net.eval()
        head = [module for module in net.modules() if isinstance(module, nn.Linear)][-1]
        if not head.weight.any():  # torchvision's transformers begin so
            nn.init.trunc_normal_(head.weight, std=0.02)
        scale = 1 / float(net(images[:4]).std())
        if not math.isfinite(scale):
            raise ValueError(f"{name}: its answers are constant")
        head.weight.mul_(scale)
        head.bias.mul_(scale)
    if not fold:
        _write_out_batch_norm(net)
    return (ChannelsLast(net) if channels_last else net).eval()


def _build(name: str) -> nn.Module:
    if name in (*TORCHVISION, *COUNTED, *GROWING):
        import torchvision

        return torchvision.models.get_model(name, weights=None)
    import timm

    return timm.create_model(TIMM[name], pretrained=False)


class Affine(nn.Module):
    """Batch norm in eval mode, written out."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        self.register_buffer("scale", scale.detach().view(1, -1, 1, 1))
        self.register_buffer("shift", (norm.bias - norm.running_mean * scale).detach().view(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def _write_out_batch_norm(module: nn.Module) -> None:
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm2d:  # timm has one with an activation inside
            setattr(module, name, Affine(child))
        else:
            _write_out_batch_norm(child)


class ChannelsLast(nn.Module):
    """The same network for images [batch, height, width, channels], as cameras give them."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image.permute(0, 3, 1, 2))
