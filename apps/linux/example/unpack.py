"""Puts what a program in C++ loads where it looks for it: `python3 unpack.py BUNDLE ROOT FOLDER`."""

import sys
from pathlib import Path

from board import trust
from board.verify import Device, verify
from edgeship_contract import Artifact

bundle, root, folder = map(Path, sys.argv[1:])
verified = verify(bundle, trust.anchor(root.read_bytes()), Device(trust.now()))
Artifact.of(verified, "onnxruntime").unpack(folder, golden=True)
