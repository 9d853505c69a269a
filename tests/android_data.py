"""Makes what the Kotlin tests read: the conformance suites, and digits as a bundle with all of its 599 samples.

`python tests/android_data.py FOLDER`; `make android-data` puts it into apps/android/target/data.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from hostile_bundles import Suites

ROOT = Path(__file__).resolve().parent.parent
EDGESHIP = Path(sys.executable).with_name("edgeship")
DIGITS = 599


def main(folder: Path) -> None:
    """Everything anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cases = [
        {key: value for key, value in asdict(case).items() if value is not None}
        for case in Suites(folder / "suites").cases()
    ]
    (folder / "cases.jsonl").write_text("".join(f"{json.dumps(case)}\n" for case in cases))
    environment = {**os.environ, "EDGESHIP_KEYS": str(folder / "keys"), "EDGESHIP_HISTORY": ""}
    recipe, runs, out = ROOT / "examples/digits/recipe.toml", folder / "runs", folder / "digits.zip"
    for arguments in (
        ["run", recipe, "--variant", "int8", "--target", "onnx", "--no-measure", "--runs", runs],
        ["bundle", runs, "--variant", "int8", "--golden", DIGITS, "--out", out],
    ):
        subprocess.run([str(EDGESHIP), *map(str, arguments)], check=True, env=environment)
    shutil.copy(folder / "keys/roots/1.json", folder / "root.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
