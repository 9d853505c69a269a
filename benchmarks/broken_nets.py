"""The networks whose files are broken: small, alive, of the kinds that break differently; recipes load this file."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

WIDTH, SIZE, TOKENS, WORDS, STEPS = 12, 24, 12, 64, 4
MEAN, DEVIATION = (0.49, 0.45, 0.41), (0.23, 0.22, 0.24)


class Residual(nn.Module):
    """Two convolutions beside what comes in."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(WIDTH, WIDTH, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(WIDTH, WIDTH, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(WIDTH, momentum=0.5) for _ in range(2))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        y = self.norms[1](self.two(torch.relu(self.norms[0](self.one(x)))))
        return torch.relu(y + (x if self.stride == 1 else x[:, :, ::2, ::2]))


class Deep(nn.Module):
    """Images [1, 3, 24, 24] with values 0 to 1, normalized inside → two outputs [1, 10]; 21 convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1))
        self.stem = nn.Conv2d(3, WIDTH, 3, 2, 1)
        self.blocks = nn.Sequential(*(Residual(2 if index == 4 else 1) for index in range(10)))
        self.heads = nn.ModuleList(nn.Linear(WIDTH, 10) for _ in range(2))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x = self.blocks(torch.relu(self.stem((image - self.mean) / self.deviation))).mean((2, 3))
        return self.heads[0](x), self.heads[1](x)


class Block(nn.Module):
    """Attention and a perceptron, each behind a layer norm."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.mix, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.mix(self.norms[0](x)).chunk(3, -1)
        x = x + self.out(torch.softmax(q @ k.transpose(1, 2) / 32**0.5, dim=-1) @ v)
        return x + self.down(nn.functional.gelu(self.up(self.norms[1](x))))


class Encoder(nn.Module):
    """Token ids [1, 12] → two outputs [1, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(WORDS, 32), nn.Parameter(torch.randn(1, TOKENS, 32))
        self.blocks = nn.Sequential(Block(), Block())
        self.heads = nn.ModuleList(nn.Linear(32, 10) for _ in range(2))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        x = self.blocks(self.words(tokens) + self.places).mean(1)
        return self.heads[0](x), self.heads[1](x)


class Recurrent(nn.Module):
    """Sequences [1, 4, 12] → two outputs [1, 10]: a gated cell, written out over the steps."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.width = width
        self.gates, self.candidate = nn.Linear(12 + width, 2 * width), nn.Linear(12 + width, width)
        self.heads = nn.ModuleList(nn.Linear(width, 10) for _ in range(2))

    def forward(self, sequence: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.zeros(1, self.width)
        for step in sequence.unbind(1):
            update, reset = torch.sigmoid(self.gates(torch.cat((step, state), 1))).chunk(2, 1)
            fresh = torch.tanh(self.candidate(torch.cat((step, reset * state), 1)))
            state = fresh + update * (state - fresh)
        return self.heads[0](state), self.heads[1](state)


KINDS = {"deep": Deep, "encoder": Encoder, "recurrent": Recurrent}


def build(kind: str, seed: int) -> nn.Module:
    """An untrained network, its batch norm warmed up and its weights of an ordinary size: no layer norm of ones."""
    torch.manual_seed(seed)
    net = KINDS[kind]()
    for norm in (module for module in net.modules() if isinstance(module, nn.LayerNorm)):
        nn.init.uniform_(norm.weight, 0.7, 1.3)
        nn.init.uniform_(norm.bias, -0.2, 0.2)
    if kind == "deep":
        net.train()
        with torch.no_grad():
            for norm in (module for module in net.modules() if isinstance(module, nn.BatchNorm2d)):
                norm.weight.uniform_(0.5, 0.9)
                norm.bias.uniform_(-0.1, 0.5)
            for _ in range(6):
                net(torch.from_numpy(images(8, seed)))
    return net.eval()


def images(count: int, seed: int) -> np.ndarray:
    """[count, 3, 24, 24]: smooth colours with an edge somewhere, each channel in a range of its own."""
    draw = np.random.default_rng(seed)
    coarse = draw.uniform(0, 1, (count, 3, 4, 4)).repeat(6, 2).repeat(6, 3)
    fine = draw.normal(0, 0.05, (count, 3, SIZE, SIZE))
    tint = np.array([1.0, 0.8, 0.6]).reshape(1, 3, 1, 1)
    return np.clip((coarse + fine) * tint, 0, 1).astype(np.float32)


def inputs(kind: str, count: int, seed: int) -> np.ndarray:
    """[count, …] of what a network of this kind takes."""
    draw = np.random.default_rng(seed)
    if kind == "deep":
        return images(count, seed)
    if kind == "encoder":
        return draw.integers(0, WORDS, (count, TOKENS))
    return draw.normal(0, 1, (count, STEPS, 12)).cumsum(1).astype(np.float32)


def calibration(kind: str) -> np.ndarray:
    """48 samples."""
    return inputs(kind, 48, 1)


def evaluation(kind: str) -> np.ndarray:
    """16 others."""
    return inputs(kind, 16, 2)
