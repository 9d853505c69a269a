"""Puts what a program in C++ loads where it looks for it: `python3 unpack.py STORE FOLDER`."""

import sys
from pathlib import Path

from board import trust
from board.slots import Slots
from board.verify import Device, verify
from edgeship_contract import Artifact

store, folder = Path(sys.argv[1]), Path(sys.argv[2])
bundle = verify(Slots(store).start(), trust.anchor((store / "root.json").read_bytes()), Device(trust.now()))
Artifact.of(bundle, "onnxruntime").unpack(folder, golden=True)
