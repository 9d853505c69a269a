"""The sample model of `edgeship init`: put your own in its place. Any function that returns an nn.Module will do."""

from __future__ import annotations

from torch import Tensor, nn


class Digits(nn.Module):
    """Pictures of handwritten digits, image [batch, 1, 8, 8] with values 0 to 1 → logits [batch, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Conv2d(32, 48, 3, padding=1, bias=False),
            nn.BatchNorm2d(48),
            nn.ReLU(),
        )
        self.head = nn.Linear(48, 10)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image).mean((2, 3)))  # type: ignore[no-any-return]


def build() -> nn.Module:
    """What `factory = "./model.py:build"` calls; edgeship loads the weights into it."""
    return Digits()
