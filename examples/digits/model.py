"""A small MobileNetV2: inverted residuals with depthwise convolutions, batch norm and ReLU6."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# expansion, channels out, stride: 32×32 pixels come in, 4×4 go to the head
BLOCKS = ((1, 16, 1), (4, 24, 2), (4, 24, 1), (4, 40, 2), (4, 40, 1), (4, 64, 1))


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]


class InvertedResidual(nn.Module):
    """Widen, filter each channel, narrow; the narrow ends are added where they have the same shape."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = inputs * expansion
        widen = [*conv(inputs, wide, 1), nn.ReLU6()] if expansion > 1 else []
        self.layers = nn.Sequential(
            *widen, *conv(wide, wide, 3, stride, groups=wide), nn.ReLU6(), *conv(wide, outputs, 1)
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.residual else self.layers(x)


class Digits(nn.Module):
    """Images [batch, 1, 32, 32] with values 0 to 1 → logits [batch, 10]."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [*conv(1, 16, 3, 2), nn.ReLU6()]
        channels = 16
        for expansion, outputs, stride in BLOCKS:
            layers.append(InvertedResidual(channels, outputs, stride, expansion))
            channels = outputs
        self.features = nn.Sequential(*layers, *conv(channels, 128, 1), nn.ReLU6())
        self.head = nn.Linear(128, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image).mean((2, 3)))


def build() -> nn.Module:
    torch.manual_seed(0)  # the same untrained net for everybody who trains it
    return Digits()
