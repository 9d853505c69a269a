"""Puts what a program in C++ loads where it looks for it: `python3 unpack.py SLOT FOLDER`."""

import sys
from pathlib import Path

from board.trust import now
from board.verify import Device, installed
from edgeship_contract import Artifact

slot, folder = map(Path, sys.argv[1:])
Artifact.of(installed(slot, Device(now())), "onnxruntime").unpack(folder, golden=True)
