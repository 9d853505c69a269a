"""The models of the tests' own project: tiny, seeded, trained a little so that their answers are alive."""

from __future__ import annotations

import torch
from data import images
from torch import Tensor, nn


def build() -> nn.Module:
    """A classifier of `data.images`: image [batch, 3, 16, 16] → logits [batch, 10]."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    pixels, labels = images()
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(torch.from_numpy(pixels)), torch.from_numpy(labels)).backward()
        optimizer.step()
    return net.eval()


def leaky() -> nn.Module:
    """Another architecture for the same pictures."""
    net = build()
    net.insert(6, nn.LeakyReLU(0.1))
    return net.eval()


class Recurrent(nn.Module):
    """A cell whose state goes in and comes out: (frame [1, 8], state [1, 16]) → (out [1, 4], next_state [1, 16])."""

    def __init__(self) -> None:
        super().__init__()
        self.take, self.keep, self.tell = nn.Linear(8, 16), nn.Linear(16, 16), nn.Linear(16, 4)

    def forward(self, frame: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = torch.tanh(self.take(frame) + self.keep(state))
        return self.tell(state), state


def streaming() -> nn.Module:
    torch.manual_seed(1)
    return Recurrent().eval()


class Encoder(nn.Module):
    """Integer tokens by keyword, a dict out: (input_ids, attention_mask [1, seq]) → {pooled [1, 6], peak [1, 16]}."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(50, 16), nn.Linear(16, 6)

    def forward(self, *, attention_mask: Tensor, input_ids: Tensor) -> dict[str, Tensor]:
        weights = attention_mask.unsqueeze(-1).to(torch.float32)
        words = self.embedding(input_ids) * weights
        pooled = words.sum(1) / weights.sum(1)
        return {"pooled": self.head(torch.relu(pooled)), "peak": words.amax(1)}


def tokens() -> nn.Module:
    torch.manual_seed(2)
    return Encoder().eval()
