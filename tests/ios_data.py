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

from edgeship.toolchain.devices.ios.link import packed
from edgeship.toolchain.protocol.files import JobFiles
from edgeship.toolchain.protocol.messages import Job


def main(folder: Path) -> None:
    """Everything anew."""
    android_data.main(folder)
    library = next(file for file in files("onnxruntime") or () if file.name.startswith("libonnxruntime."))
    shutil.copy(library.locate(), folder / "libonnxruntime.so")
    for name in ("digits", "bytes"):
        out = ["--out", folder / "swift" / name, "--root", folder / "root.json"]
        words = ["codegen", folder / f"{name}.zip", "swift", *out]
        subprocess.run([str(android_data.EDGESHIP), *map(str, words)], check=True)
    job = Job.model_validate_json((folder / "jobs" / "verify.json").read_bytes())
    sources = {file.path: folder / "jobs" / file.path for file in job.files}
    packed(job, JobFiles(sources, folder / "jobs")).rename(folder / "sent.zip")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
