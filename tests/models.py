"""Tiny nets that several tests share, each seeded and warmed up so that its answers are far from zero."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

    from edgeship.toolchain.samples import Samples


def conv_net() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """conv, batch norm, ReLU6, depthwise conv, linear: [1, 3, 16, 16] → [1, 10]; a few training steps behind it."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU6(),
        nn.Conv2d(16, 32, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    images, labels = torch.randn(64, 3, 16, 16), torch.arange(64) % 10
    images = images + labels.view(-1, 1, 1, 1) / 5
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    for _ in range(30):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), labels).backward()
        optimizer.step()
    return net.eval(), (images[:1].clone(),)


def streaming_net() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """A recurrent cell whose state goes in and comes out: ([1, 8], [1, 16]) → ([1, 4], [1, 16])."""
    import torch
    from torch import nn

    class Streaming(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.take = nn.Linear(8, 16)
            self.keep = nn.Linear(16, 16)
            self.tell = nn.Linear(16, 4)

        def forward(self, frame: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            state = torch.tanh(self.take(frame) + self.keep(state))
            return self.tell(state), state

    torch.manual_seed(1)
    return Streaming().eval(), (torch.randn(1, 8), torch.zeros(1, 16))


def token_net() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """An embedding with a mask, pooled: (int64 [1, 12], int64 [1, 12]) → [1, 6]."""
    import torch
    from torch import nn

    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(50, 16)
            self.head = nn.Linear(16, 6)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            weights = attention_mask.unsqueeze(-1).to(torch.float32)
            pooled = (self.embedding(input_ids) * weights).sum(1) / weights.sum(1)
            return self.head(torch.relu(pooled))

    torch.manual_seed(2)
    mask = torch.ones(1, 12, dtype=torch.int64)
    mask[:, 9:] = 0
    return Tokens().eval(), (torch.randint(0, 50, (1, 12)), mask)


@functools.cache
def digit_data() -> tuple[Samples, Samples]:
    """The 8×8 handwritten digits of scikit-learn, values 0 to 1: 1197 to train on and 600 to test on."""
    import numpy as np
    from sklearn.datasets import load_digits

    from edgeship.toolchain.samples import Samples

    digits = load_digits()
    images = (digits.images / 16).astype(np.float32)[:, None, None]
    order = np.random.default_rng(0).permutation(len(images))
    everything = Samples({"image": images}, digits.target.astype(np.int64))
    return everything.take(order[:1197]), everything.take(order[1197:])


@functools.cache
def _trained_digit_weights() -> dict[str, torch.Tensor]:
    import torch
    from torch.nn.functional import cross_entropy

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order: the same weights in every process
    torch.manual_seed(0)
    net, (train, _) = _digit_layers(), digit_data()
    images, labels = torch.from_numpy(train.inputs["image"][:, 0]), torch.from_numpy(train.labels)
    optimizer = torch.optim.AdamW(net.parameters(), 5e-3)
    for _ in range(6):
        for rows in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            cross_entropy(net(images[rows]), labels[rows]).backward()
            optimizer.step()
    torch.set_num_threads(threads)
    return net.state_dict()


def _digit_layers() -> nn.Sequential:
    from torch import nn

    def block(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        return [conv, nn.BatchNorm2d(outputs), nn.ReLU6()]

    return nn.Sequential(
        *block(1, 16, 3),
        *block(16, 48, 1),
        *block(48, 48, 3, stride=2, groups=48),
        *block(48, 32, 1),
        *block(32, 64, 3, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )


def digit_net() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """A classifier of `digit_data`, trained for six epochs (about 97% right): [batch, 1, 8, 8] → [batch, 10]."""
    import torch

    net = _digit_layers()
    net.load_state_dict(_trained_digit_weights())
    return net.eval(), (torch.from_numpy(digit_data()[1].inputs["image"][0].copy()),)


def encoder_net() -> tuple[nn.Module, tuple[torch.Tensor, ...]]:
    """A one-layer text encoder with integer positions and a mask: (int64 [1, 10], int64 [1, 10]) → [1, 64]."""
    import torch
    from torch import nn

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(512, 64)
            self.positions = nn.Embedding(16, 64)
            self.norm = nn.LayerNorm(64)
            self.query, self.key, self.value = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 64)
            self.widen, self.narrow = nn.Linear(64, 128), nn.Linear(128, 64)

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            # positions count the tokens that are not padding, from 1: integer add and multiply by scalars
            places = torch.cumsum(attention_mask, 1) * attention_mask + 1
            hidden = self.norm(self.words(input_ids) + self.positions(places))
            bias = (1.0 - attention_mask[:, None, None, :].to(torch.float32)) * -1e4
            query, key, value = (layer(hidden)[:, None] for layer in (self.query, self.key, self.value))
            weights = torch.softmax(query @ key.transpose(-1, -2) / 8.0 + bias, -1)
            hidden = hidden + (weights @ value)[:, 0]
            hidden = hidden + self.narrow(nn.functional.gelu(self.widen(hidden)))
            mask = attention_mask[..., None].to(torch.float32)
            return (hidden * mask).sum(1) / mask.sum(1)

    torch.manual_seed(3)
    mask = torch.ones(1, 10, dtype=torch.int64)
    mask[:, 7:] = 0
    return Encoder().eval(), (torch.randint(0, 512, (1, 10)), mask)
