"""Makes what the Swift tests read: what the Kotlin tests read, the library of ONNX Runtime, and generated wrappers.

`python tests/ios_data.py DATA`, and then `apps/ios/test-core DATA` tests; `make test-ios-core` does both, and more.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import files
from pathlib import Path

import android_data


def main(folder: Path) -> None:
    """Everything anew."""
    android_data.main(folder)
    library = next(file for file in files("onnxruntime") or () if file.name.startswith("libonnxruntime."))
    shutil.copy(library.locate(), folder / "libonnxruntime.so")
    for name in ("digits", "bytes"):
        out = ["--out", folder / "swift" / name, "--root", folder / "root.json"]
        words = ["codegen", folder / f"{name}.zip", "swift", *out]
        subprocess.run([str(android_data.EDGESHIP), *map(str, words)], check=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
