"""Reads the digit in a picture by the bundle that is in use: `python3 read_digit.py STORE PICTURE.ppm`."""

import sys
import tempfile
from pathlib import Path

import numpy as np
from board import trust
from board.slots import Slots
from board.verify import Device, verify
from digits import Digits
from edgeship_contract import Artifact, Picture, sqnr_db


def picture_in(file):
    """A binary PPM file, as cameras' tools write it: rows of red, green, blue."""
    _, width, height, _, pixels = file.read_bytes().split(maxsplit=4)
    rgb = np.frombuffer(pixels, np.uint8).reshape(int(height), int(width), 3)
    return Picture(np.pad(rgb, ((0, 0), (0, 0), (0, 1)), constant_values=255).tobytes(), int(width), int(height))


def is_healthy(digits, artifact):
    """Whether the file answers the golden samples here as it did where the bundle was made."""
    inputs, expected = artifact.golden()
    answers = [digits.run([array[sample] for array in inputs]).logits for sample in range(artifact.samples)]
    return sqnr_db(expected, [np.stack(answers)]) >= artifact.min_sqnr_db


def main(store, file):
    """Load what `start` gives, try it, keep it, and use it."""
    slots = Slots(store)
    place = slots.start()  # from here on the disk says that this bundle is being tried
    if place is None:
        sys.exit(f"{store}: nothing is installed")
    bundle = verify(place, trust.anchor((store / "root.json").read_bytes()), Device(trust.now()))
    with tempfile.TemporaryDirectory() as folder:
        digits = Digits.open(bundle, "onnxruntime", Path(folder))
    if not is_healthy(digits, Artifact.of(bundle, "onnxruntime")):
        sys.exit(f"{place}: does not answer as it should")  # the next start gives the one before
    slots.found_good()
    [(label, _, probability)] = digits.predict(picture_in(file)).best()
    print(f"{label} ({100 * probability:.0f}%)")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
