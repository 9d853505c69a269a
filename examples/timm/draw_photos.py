"""Draws what a user brings as photos: three fruits, `photos/train/<fruit>/*.png` and `photos/test/<fruit>/*.png`."""

from __future__ import annotations

import random
from pathlib import Path

from PIL import Image, ImageDraw

FRUITS = {"apple": (190, 45, 40), "lemon": (230, 205, 60), "plum": (95, 45, 125)}
HERE = Path(__file__).parent


def draw(colour: tuple[int, ...], chance: random.Random) -> Image.Image:
    """One fruit of about this colour, of any place and size, in a picture of any size."""
    width, height = chance.randint(180, 320), chance.randint(180, 320)
    picture = Image.new("RGB", (width, height), tuple(chance.randint(120, 255) for _ in range(3)))
    x, y = width / 2 + chance.uniform(-20, 20), height / 2 + chance.uniform(-20, 20)
    wide, high = chance.uniform(40, 65), chance.uniform(40, 65)
    peel = tuple(part + chance.randint(-25, 25) for part in colour)
    ImageDraw.Draw(picture).ellipse((x - wide, y - high, x + wide, y + high), fill=peel)
    return picture


def draw_all(folder: Path, each: int, chance: random.Random) -> None:
    """`each` pictures per fruit."""
    for name, colour in FRUITS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for number in range(each):
            draw(colour, chance).save(folder / name / f"{number:03}.png")


if __name__ == "__main__":
    chance = random.Random(0)
    draw_all(HERE / "photos/train", 80, chance)
    draw_all(HERE / "photos/test", 20, chance)
