"""Trains a timm network on photos/train and writes fruits.pth; the one that lies here was made by it."""

from __future__ import annotations

import math
from pathlib import Path

import timm
import torch
from timm.data import create_dataset, create_transform, resolve_model_data_config
from torch import Tensor, nn

NETWORK = "test_efficientnet.r160_in1k"
ROUNDS = ((4, 0.5), (4, 1.0))
"""How many over all photos, and at which part of their size: half is enough to begin with."""
BATCH = 16
HERE = Path(__file__).parent


def photos(folder: Path, model: nn.Module) -> tuple[Tensor, Tensor]:
    """All pictures as timm's evaluation transform makes them, [N, 3, H, W], and their classes."""
    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    pairs = [(transform(picture), label) for picture, label in create_dataset("", root=str(folder))]
    pictures, labels = zip(*pairs, strict=True)
    return torch.stack(pictures), torch.tensor(labels)


def train(model: nn.Module, pictures: Tensor, labels: Tensor) -> None:
    """Some rounds over the pictures, each in another order."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    steps = sum(rounds for rounds, _ in ROUNDS) * math.ceil(len(labels) / BATCH)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps)
    for rounds, part in ROUNDS:
        seen = nn.functional.interpolate(pictures, scale_factor=part, mode="area") if part < 1 else pictures
        for _ in range(rounds):
            hits = 0
            for chosen in torch.randperm(len(labels)).split(BATCH):
                answers = model(seen[chosen])
                nn.functional.cross_entropy(answers, labels[chosen]).backward()
                optimizer.step()
                rate.step()
                optimizer.zero_grad()
                hits += int((answers.argmax(1) == labels[chosen]).sum())
            print(f"{hits} of {len(labels)} right", flush=True)


if __name__ == "__main__":
    torch.manual_seed(0)
    model = timm.create_model(NETWORK, num_classes=3)  # pretrained=True where the hub can be reached
    train(model, *photos(HERE / "photos/train", model))
    torch.save(model.state_dict(), HERE / "fruits.pth")
