"""Makes what a user brings: photos of three shapes in folders, and a timm network that was trained on them.

`python make_checkpoint.py`: photos/train, photos/test and shapes.pth, in a minute on two cores.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import timm
import torch
from PIL import Image, ImageDraw
from timm.data import create_dataset, create_loader, resolve_model_data_config
from torch import nn

NETWORK = "test_efficientnet.r160_in1k"
SHAPES = {"circle": 0, "square": 4, "triangle": 3}  # corners
HERE = Path(__file__).parent


def draw(corners: int, chance: random.Random) -> Image.Image:
    """One shape of any place, size and colour, in a picture of any size."""
    width, height = chance.randint(180, 320), chance.randint(180, 320)
    paper, ink = (tuple(chance.randint(*tones) for _ in range(3)) for tones in ((150, 255), (0, 110)))
    picture = Image.new("RGB", (width, height), paper)
    radius = chance.uniform(35, 60)
    x, y = width / 2 + chance.uniform(-20, 20), height / 2 + chance.uniform(-20, 20)
    pen = ImageDraw.Draw(picture)
    if corners:
        pen.regular_polygon((x, y, radius), corners, rotation=chance.uniform(0, 90), fill=ink)
    else:
        pen.circle((x, y), radius * math.sqrt(0.7), fill=ink)
    return picture


def draw_all(folder: Path, each: int, chance: random.Random) -> None:
    """`folder/<shape>/<number>.png`."""
    for name, corners in SHAPES.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            draw(corners, chance).save(folder / name / f"{number:03}.png")


def train(folder: Path, epochs: int) -> nn.Module:
    """The network after some rounds over the photos, as timm reads them."""
    model = timm.create_model(NETWORK, num_classes=len(SHAPES))  # pretrained=True where the hub can be reached
    config = resolve_model_data_config(model)
    photos = create_dataset("", root=str(folder))
    loader = create_loader(
        photos, config["input_size"], batch_size=16, is_training=False, num_workers=0, device=torch.device("cpu"),
        use_prefetcher=False, interpolation=config["interpolation"], mean=config["mean"], std=config["std"],
        crop_pct=config["crop_pct"],
    )  # fmt: skip
    batches = list(loader)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 6e-3, total_steps=epochs * len(batches))
    for epoch in range(epochs):
        hits = 0
        for pictures, labels in random.sample(batches, len(batches)):
            answers = model(pictures)
            nn.functional.cross_entropy(answers, labels).backward()
            optimizer.step()
            rate.step()
            optimizer.zero_grad()
            hits += int((answers.argmax(1) == labels).sum())
        print(f"round {epoch + 1}: {hits} of {len(photos)} right", flush=True)
    return model.eval()


def main() -> None:
    """Photos, then the checkpoint."""
    torch.manual_seed(0)
    random.seed(0)
    chance = random.Random(0)
    draw_all(HERE / "photos/train", 80, chance)
    draw_all(HERE / "photos/test", 20, chance)
    torch.save(train(HERE / "photos/train", 12).state_dict(), HERE / "shapes.pth")


if __name__ == "__main__":
    main()
