"""Small networks of operators that the model zoos at hand do not cover: audio, recurrence, decoders, heads, volumes."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn
from torch.nn import functional


def block(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: type[nn.Module] = nn.ReLU
) -> nn.Sequential:
    """Convolution, batch norm, activation."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), act())


class CrossStage(nn.Module):
    """YOLO's C3: half of the channels past a bottleneck with a residual, then both concatenated."""

    def __init__(self, width: int) -> None:
        super().__init__()
        half = width // 2
        self.left, self.right = block(width, half, 1, act=nn.SiLU), block(width, half, 1, act=nn.SiLU)
        self.inner = nn.Sequential(block(half, half, 1, act=nn.SiLU), block(half, half, act=nn.SiLU))
        self.out = block(width, width, 1, act=nn.SiLU)

    def forward(self, x: Tensor) -> Tensor:
        left = self.left(x)
        return self.out(torch.cat([left + self.inner(left), self.right(x)], 1))


class Detector(nn.Module):
    """YOLO-like: SiLU, concatenation, spatial pyramid pooling, nearest upsampling; boxes and scores of two scales."""

    def __init__(self, classes: int = 8) -> None:
        super().__init__()
        self.stem = nn.Sequential(block(3, 16, stride=2, act=nn.SiLU), block(16, 32, stride=2, act=nn.SiLU))
        self.early = nn.Sequential(CrossStage(32), block(32, 64, stride=2, act=nn.SiLU), CrossStage(64))
        self.late = nn.Sequential(block(64, 128, stride=2, act=nn.SiLU), CrossStage(128))
        self.narrow, self.wide = block(128, 64, 1, act=nn.SiLU), block(256, 128, 1, act=nn.SiLU)
        self.up = block(128, 64, 1, act=nn.SiLU)
        self.join = CrossStage(128)
        self.heads = nn.ModuleList([nn.Conv2d(128, 4 + classes, 1), nn.Conv2d(128, 4 + classes, 1)])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        early = self.early(self.stem(image))
        x = self.narrow(self.late(early))
        pooled = [x]
        for _ in range(3):
            pooled.append(functional.max_pool2d(pooled[-1], 5, 1, 2))
        late = self.wide(torch.cat(pooled, 1))
        joined = self.join(torch.cat([functional.interpolate(self.up(late), scale_factor=2.0), early], 1))
        found = [head(x).flatten(2) for head, x in zip(self.heads, (joined, late), strict=True)]
        boxes, scores = torch.cat(found, 2).split([4, found[0].shape[1] - 4], 1)
        return boxes, scores.sigmoid()


class UNet(nn.Module):
    """Encoder-decoder with transposed convolutions (`learned`) or bilinear resizing, and skips that concatenate."""

    def __init__(self, learned: bool, width: int = 16, depth: int = 3) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        pairs = list(itertools.pairwise(widths))
        self.stem = nn.Sequential(block(3, width), block(width, width))
        self.down = nn.ModuleList(nn.Sequential(nn.MaxPool2d(2), block(a, b), block(b, b)) for a, b in pairs)
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, 2)
            if learned
            else nn.Sequential(nn.Upsample(scale_factor=2.0, mode="bilinear"), block(b, a, 1))
            for a, b in reversed(pairs)
        )
        self.join = nn.ModuleList(block(2 * a, a) for a, _ in reversed(pairs))
        self.head = nn.Conv2d(width, 4, 1)

    def forward(self, image: Tensor) -> Tensor:
        levels = [self.stem(image)]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = levels.pop()
        for up, join in zip(self.up, self.join, strict=True):
            x = join(torch.cat([up(x), levels.pop()], 1))
        return self.head(x)


class KeywordSpotter(nn.Module):
    """DS-CNN: depthwise-separable convolutions over 49 × 10 cepstral coefficients."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        first = nn.Conv2d(1, width, (10, 4), (2, 2), (5, 1), bias=False)
        layers: list[nn.Module] = [first, nn.BatchNorm2d(width), nn.ReLU()]
        for _ in range(4):
            layers += [block(width, width, groups=width), block(width, width, 1)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(width, 12)

    def forward(self, features: Tensor) -> Tensor:
        return self.head(self.body(features).mean((2, 3)))


class Dilated(nn.Module):
    """WaveNet-like residual stack of dilated 1-D convolutions with gates."""

    def __init__(self, width: int = 24, layers: int = 6) -> None:
        super().__init__()
        self.stem = nn.Conv1d(1, width, 3, padding=1)
        self.gates = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, 2 * width, 3, padding=2**i, dilation=2**i), nn.BatchNorm1d(2 * width))
            for i in range(layers)
        )
        self.mixes = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(layers))
        self.head = nn.Conv1d(width, 8, 1)

    def forward(self, wave: Tensor) -> Tensor:
        x = self.stem(wave)
        for gate, mix in zip(self.gates, self.mixes, strict=True):
            signal, opening = gate(x).chunk(2, 1)
            x = x + mix(torch.tanh(signal) * torch.sigmoid(opening))
        return self.head(x)


class WaveClassifier(nn.Module):
    """M5: plain 1-D convolutions over raw sound, with pooling."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(1, width, 80, 4), nn.BatchNorm1d(width), nn.ReLU(), nn.MaxPool1d(4)]
        for a, b in ((width, width), (width, 2 * width), (2 * width, 2 * width)):
            layers += [nn.Conv1d(a, b, 3, padding=1), nn.BatchNorm1d(b), nn.ReLU(), nn.MaxPool1d(4)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(2 * width, 12)

    def forward(self, wave: Tensor) -> Tensor:
        return self.head(self.body(wave).mean(2))


class TemporalStack(nn.Module):
    """Small dilated 1-D convolutions with ReLU and residual sums (a 10-kB temporal network)."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv1d(10, width, 1)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(width, width, 3, padding=2**i, dilation=2**i), nn.BatchNorm1d(width), nn.ReLU())
            for i in range(4)
        )
        self.head = nn.Linear(width, 6)

    def forward(self, features: Tensor) -> Tensor:
        x = self.stem(features)
        for layer in self.layers:
            x = x + layer(x)
        return self.head(x.mean(2))


class Recurrent(nn.Module):
    """Two recurrent layers over a short sequence, the last step classified."""

    def __init__(self, kind: str, width: int = 64) -> None:
        super().__init__()
        self.body = getattr(nn, kind)(40, width, 2, batch_first=True)
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 12))

    def forward(self, frames: Tensor) -> Tensor:
        answers, _ = self.body(frames)
        return self.head(answers[:, -1])


class Volume(nn.Module):
    """3-D convolutions with residuals over eight frames."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()

        def layer(a: int, b: int, stride: int = 1) -> nn.Sequential:
            return nn.Sequential(nn.Conv3d(a, b, 3, stride, 1, bias=False), nn.BatchNorm3d(b), nn.ReLU())

        self.stem = layer(3, width, 2)
        self.first, self.down, self.second = (
            layer(width, width),
            layer(width, 2 * width, 2),
            layer(2 * width, 2 * width),
        )
        self.head = nn.Linear(2 * width, 10)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.stem(frames)
        x = self.down(x + self.first(x))
        return self.head((x + self.second(x)).mean((2, 3, 4)))


class SingleShot(nn.Module):
    """MobileNet-style trunk with SSD heads: class scores and boxes of three scales, permuted and concatenated."""

    def __init__(self, classes: int = 6, anchors: int = 4) -> None:
        super().__init__()

        def separable(a: int, b: int, stride: int) -> nn.Sequential:
            return nn.Sequential(block(a, a, 3, stride, a, nn.ReLU6), block(a, b, 1, act=nn.ReLU6))

        self.classes = classes
        self.trunk = nn.Sequential(block(3, 16, stride=2, act=nn.ReLU6), separable(16, 32, 2), separable(32, 64, 2))
        self.scales = nn.ModuleList([separable(64, 64, 1), separable(64, 128, 2), separable(128, 128, 2)])
        self.score = nn.ModuleList(nn.Conv2d(w, anchors * classes, 3, padding=1) for w in (64, 128, 128))
        self.box = nn.ModuleList(nn.Conv2d(w, anchors * 4, 3, padding=1) for w in (64, 128, 128))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x, scores, boxes = self.trunk(image), [], []
        for scale, score, box in zip(self.scales, self.score, self.box, strict=True):
            x = scale(x)
            scores.append(score(x).permute(0, 2, 3, 1).reshape(x.shape[0], -1, self.classes))
            boxes.append(box(x).permute(0, 2, 3, 1).reshape(x.shape[0], -1, 4))
        return torch.cat(scores, 1).softmax(2), torch.cat(boxes, 1)


class _Only(nn.Module):
    def __init__(self, key: str, net: nn.Module) -> None:
        super().__init__()
        self.key, self.net = key, net

    def forward(self, image: Tensor) -> Tensor:
        return self.net(image)[self.key]


def only(key: str, net: nn.Module) -> nn.Module:
    """The network with one entry of its dictionary as its answer."""
    return _Only(key, net)
