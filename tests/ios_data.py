"""Makes what the Swift tests read: what the Kotlin tests read, bundles to update with, and the golden messages.

`python tests/ios_data.py DATA`, and then `apps/ios/test-core DATA` tests; `make test-ios-core` does both, and more.
"""

from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import android_data
from bundles import Sound, ring

from edgeship.toolchain.bundle.keys import rotate

GOLDEN = android_data.ROOT / "tests" / "golden" / "protocol"


def main(folder: Path) -> None:
    """Everything anew."""
    android_data.main(folder)
    more(folder)


def more(folder: Path) -> None:
    """ONNX Runtime's library, and bundles: two versions, one that revokes a key, and one that is signed with it."""
    capi = Path(importlib.util.find_spec("onnxruntime").submodule_search_locations[0]) / "capi"
    shutil.copy(next(capi.glob("libonnxruntime.*")), folder / "libonnxruntime.so")
    shutil.copytree(GOLDEN, folder / "protocol", dirs_exist_ok=True)
    slots = folder / "slots"
    keys = ring(slots / "keys")
    Sound.make(keys, 5).write(slots / "five")
    Sound.make(keys, 6).with_file("licences/more.txt", b"more" * 1000).write(slots / "six")
    Sound.make(keys, 9).write(slots / "old-key")
    shutil.copy(keys.roots[0], slots / "root.json")
    rotate(keys, "bundle")
    Sound.make(keys, 8).write(slots / "rotated")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
