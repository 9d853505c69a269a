"""Reads the digit in a picture: `python3 read_digit.py BUNDLE ROOT PICTURE.ppm`; `board try` names the bundle."""

import sys
import tempfile
from pathlib import Path

import numpy as np
from board import trust
from board.verify import Device, verify
from digits import Digits
from edgeship_contract import Picture


def picture_in(file):
    """A binary PPM file, as cameras' tools write it: rows of red, green, blue."""
    _, width, height, _, pixels = file.read_bytes().split(maxsplit=4)
    rgb = np.frombuffer(pixels, np.uint8).reshape(int(height), int(width), 3)
    return Picture(np.pad(rgb, ((0, 0), (0, 0), (0, 1)), constant_values=255).tobytes(), int(width), int(height))


bundle, root, picture = map(Path, sys.argv[1:])
verified = verify(bundle, trust.anchor(root.read_bytes()), Device(trust.now()))
with tempfile.TemporaryDirectory() as folder:
    digits = Digits.open(verified, "onnxruntime", Path(folder))
[(label, _, probability)] = digits.predict(picture_in(picture)).best()
print(f"{label} ({100 * probability:.0f}%)")
