"""Reads the digit in a picture: `python3 read_digit.py SLOT PICTURE.ppm`; `board try` names the slot."""

import sys
import tempfile
from pathlib import Path

import numpy as np
from board.trust import now
from board.verify import Device, installed
from digits import Digits
from edgeship_contract import Picture


def picture_in(file):
    """A binary PPM file, as cameras' tools write it: rows of red, green, blue."""
    kind, width, height, rest = file.read_bytes().split(maxsplit=3)
    width, height = int(width), int(height)
    if kind != b"P6" or len(rest) != len(b"255 ") + 3 * width * height:
        sys.exit(f"{file} is no binary PPM file")
    rgb = np.frombuffer(rest, np.uint8, offset=len(b"255 ")).reshape(height, width, 3)
    return Picture(np.pad(rgb, ((0, 0), (0, 0), (0, 1)), constant_values=255).tobytes(), width, height)


slot, picture = map(Path, sys.argv[1:])
bundle = installed(slot, Device(now()))  # it was verified when it came, and goes on working after its expiry
with tempfile.TemporaryDirectory() as folder:
    digits = Digits.open(bundle, "onnxruntime", Path(folder))
[(label, _, probability)] = digits.predict(picture_in(picture)).best()
print(f"{label} ({100 * probability:.0f}%)")
