"""Makes what the Kotlin tests read: bundles, golden messages, cases of the contract, digits with all 599 samples, with
their contract in the graph, too, and jobs.

`python tests/android_data.py FOLDER`; `make android-data` puts it into apps/android/target/data.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import android_jobs
import numpy as np
from bundles import Sound, ring
from hostile_bundles import Suites
from parity_cases import Writer

from edgeship.toolchain.bundle.keys import rotate

ROOT = Path(__file__).resolve().parent.parent
EDGESHIP = Path(sys.executable).with_name("edgeship")
DIGITS = ROOT / "examples/digits"
SAMPLES = 599
ANSWERS: dict[str, dict[str, np.ndarray]] = {
    "uneven": {"large": np.full((1, 4), 1000, np.float32), "small": np.full((1, 2), 0.5, np.float32)},
    "silent": {"zeros": np.zeros((1, 3), np.float32)},
    "half": {"halves": np.array([[1, -2.5, 65504, 6e-8]], np.float16)},
}
"""Golden outputs by artifact, of a bundle whose file nothing executes."""


def main(folder: Path) -> None:
    """Everything anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    cases = [
        {key: value for key, value in asdict(case).items() if value is not None}
        for case in Suites(folder / "suites").cases()
    ]
    (folder / "cases.jsonl").write_text("".join(f"{json.dumps(case)}\n" for case in cases))
    _slots(folder / "slots")
    shutil.copytree(ROOT / "tests/golden/protocol", folder / "protocol")
    Writer(folder / "contract").write()
    environment = {**os.environ, "EDGESHIP_KEYS": str(folder / "keys"), "EDGESHIP_HISTORY": ""}

    def edgeship(*arguments: object) -> None:
        subprocess.run([str(EDGESHIP), *map(str, arguments)], check=True, env=environment)

    with tempfile.TemporaryDirectory() as place:
        for name, recipe in (("digits", DIGITS / "recipe.toml"), ("bytes", _in_graph(Path(place) / "digits"))):
            runs, out = folder / "runs" / name, folder / f"{name}.zip"
            edgeship("run", recipe, "--variant", "int8", "--target", "onnx", "--no-measure", "--runs", runs)
            edgeship("bundle", runs, "--variant", "int8", "--golden", SAMPLES, "--out", out)
            shutil.copy(folder / "keys/roots/1.json", folder / "root.json")
            edgeship("codegen", out, "kotlin", "--out", folder / "kotlin" / name, "--root", folder / "root.json")
    samples = _successors(folder)
    artifact = next((folder / "runs/digits").glob("*/artifacts/*-onnx"))
    android_jobs.write(folder / "jobs", artifact, samples)


def _in_graph(folder: Path) -> Path:
    """The digits' recipe with its contract in the graph, and what it needs, in a folder."""
    shutil.copytree(DIGITS, folder)
    recipe = folder / "recipe.toml"
    text = recipe.read_text().replace('name = "digits"', 'name = "digits-bytes"')
    recipe.write_text(text.replace("[contract]", "[contract]\nin_graph = true"))
    return recipe


def _slots(folder: Path) -> None:
    """Bundles of two versions, one after a change of keys, and one signed with the key from before."""
    folder.mkdir()
    keys = ring(folder / "keys")
    shutil.copy(keys.roots[0], folder / "root.json")
    Sound.make(keys, 5).write(folder / "five")
    Sound.make(keys, 6).with_file("licences/more.txt", b"more" * 1000).write(folder / "six")
    Sound.make(keys, 9).write(folder / "old-key")
    _answering(Sound.make(keys)).write(folder / "answers")
    rotate(keys, "bundle")
    Sound.make(keys, 8).write(folder / "rotated")


def _answering(sound: Sound) -> Sound:
    """With an artifact for each of ANSWERS, whose golden outputs a test's own model answers."""
    about = sound.manifest["artifacts"][0]
    sound = sound.but()
    for name, outputs in ANSWERS.items():
        signature = []
        for output, values in outputs.items():
            sound = sound.with_file(f"licences/{output}.bin", values.tobytes())
            numbers = {"dtype": values.dtype.name, "shape": list(values.shape)}
            signature.append({"name": output, "dtype": values.dtype.name, "shape": list(values.shape[1:])})
            sha256 = sound.manifest["licences"][-1]["sha256"]
            sound.manifest["golden"]["outputs"].setdefault(name, {})[output] = {**numbers, "sha256": sha256}
        sound.manifest["artifacts"].append({**about, "name": name, "outputs": signature})
    return sound


def _successors(folder: Path) -> np.ndarray:
    """Later versions of digits.zip: `sick` has golden outputs that its file does not give, `rotated` is another such
    one that comes after a change of keys.

    Answers the golden inputs.
    """
    with zipfile.ZipFile(folder / "digits.zip") as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest: dict[str, Any] = json.loads(files["manifest.json"])
    stored = {name: data for name, data in files.items() if name.startswith("files/")}
    keys = ring(folder / "keys")
    later = Sound(keys, {**manifest, "version": manifest["version"] + 2}, stored)
    later.write(folder / "better.zip")
    (outputs,) = manifest["golden"]["outputs"].values()
    (golden,) = outputs.values()
    negated = -np.frombuffer(stored[f"files/{golden['sha256']}"], np.float32)
    sick = later.but(version=manifest["version"] + 1).with_file("licences/negated.bin", negated.tobytes())
    (outputs,) = sick.manifest["golden"]["outputs"].values()
    (golden,) = outputs.values()
    golden["sha256"] = sick.manifest["licences"][-1]["sha256"]
    sick.write(folder / "sick.zip")
    rotate(keys, "bundle")
    rotated = sick.but(version=manifest["version"] + 3)
    del rotated.manifest["roots"]  # of the ring as it is now
    rotated.write(folder / "rotated.zip")
    image = manifest["golden"]["inputs"]["image"]
    return np.frombuffer(stored[f"files/{image['sha256']}"], np.float32).reshape(image["shape"])


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
