"""Whether a bundle's files answer on this device as they did where the bundle was made: its golden samples, by SQNR.

Needs numpy and the Python package of an artifact's runtime: one module for each.
"""

from __future__ import annotations

import importlib
import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import disk
from ..document import parse
from ..failure import FailedError
from ..refusal import Refused
from ..tree import Tree, tree
from ..verify import MANIFEST, sha256
from .tensors import real, stored

RUNTIMES = {"executorch": "executorch", "litert": "litert", "onnxruntime": "onnx"}
"""The module that loads a runtime's files, by the runtime's name in manifests."""
MOST_DB = 200.0
"""Of answers that are equal."""
Arrays = Mapping[str, Any]
Run = Callable[[Arrays], Arrays]
"""Outputs of one sample's inputs, both by name."""


@dataclass(frozen=True)
class Health:
    """How near an artifact's answers come to the golden ones, in its worst output, and how near they must."""

    artifact: str
    sqnr_db: float
    least_db: float

    @property
    def good(self) -> bool:
        return self.sqnr_db >= self.least_db


def check(bundle: Path, names: Sequence[str] = ()) -> list[Health]:
    """Run the golden samples of a bundle that was verified, of these artifacts, else of all that this device can run.

    Refused: file-digest, file-missing, runtime-missing where there is none to run. FailedError: artifact-unknown, or
    not-good with what a runtime raised.
    """
    files = tree(bundle)
    manifest = parse(files.read(MANIFEST))
    artifacts = {artifact["name"]: artifact for artifact in manifest["artifacts"]}
    if unknown := [name for name in names if name not in artifacts]:
        raise FailedError("artifact-unknown", f"{unknown[0]}: the bundle has {', '.join(artifacts)}")
    chosen = [artifacts[name] for name in names or artifacts]
    runnable = [artifact for artifact in chosen if names or _loader(artifact)]
    if not runnable:
        raise Refused("runtime-missing", ", ".join(sorted({artifact["runtime"]["name"] for artifact in chosen})))
    return [_checked(bundle, files, manifest["golden"], artifact) for artifact in runnable]


def _loader(artifact: Mapping[str, Any]) -> Any | None:
    """The module that loads an artifact's file; None where its runtime is not installed here."""
    name = RUNTIMES.get(artifact["runtime"]["name"])
    module = importlib.import_module(f".{name}", __package__) if name else None
    return module if module and module.is_installed() else None


def _checked(bundle: Path, files: Tree, golden: Mapping[str, Any], artifact: Mapping[str, Any]) -> Health:
    loader = _loader(artifact)
    if loader is None:
        raise Refused("runtime-missing", artifact["runtime"]["name"])
    with _telling(artifact["name"]), _laid_out(bundle, files, artifact) as folder:
        inputs = {name: _array(files, about) for name, about in golden["inputs"].items()}
        expected = {name: _array(files, about) for name, about in golden["outputs"][artifact["name"]].items()}
        run: Run = loader.load(folder / artifact["entry"], artifact)
        worst = _worst(run, artifact, golden["samples"], inputs, expected)
    return Health(artifact["name"], worst, artifact["min_sqnr_db"])


def _worst(run: Run, artifact: Mapping[str, Any], samples: int, inputs: Arrays, expected: Arrays) -> float:
    """The least SQNR of an output over all samples, in dB."""
    takes, gives = ({tensor["name"]: tensor for tensor in artifact[side]} for side in ("inputs", "outputs"))
    signal, noise = dict.fromkeys(expected, 0.0), dict.fromkeys(expected, 0.0)
    for sample in range(samples):
        answers = run({name: stored(array[sample], takes[name]) for name, array in inputs.items()})
        for name, array in expected.items():
            wanted, found = array[sample].astype("float64"), real(answers[name], gives[name])
            signal[name] += float((wanted**2).sum())
            noise[name] += float(((wanted - found) ** 2).sum()) if wanted.shape == found.shape else math.inf
    return min(_decibel(signal[name], noise[name]) for name in expected)


@contextmanager
def _telling(artifact: str) -> Iterator[None]:
    """Whatever a runtime raises says that it does not do."""
    try:
        yield
    except (Refused, OSError, ModuleNotFoundError):
        raise
    except Exception as error:
        raise FailedError("not-good", f"{artifact}: {type(error).__name__}: {error}") from error


@contextmanager
def _laid_out(bundle: Path, files: Tree, artifact: Mapping[str, Any]) -> Iterator[Path]:
    """A folder with an artifact's files under their names, without copies, while it is needed."""
    folder = bundle.parent / "check"
    shutil.rmtree(folder, ignore_errors=True)  # a runtime may have ended the process before
    try:
        for file in artifact["files"]:
            _check_digest(files, file["sha256"])
            place = folder / file["path"]
            place.parent.mkdir(parents=True, exist_ok=True)
            disk.link(bundle / "files" / file["sha256"], place)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _array(files: Tree, about: Mapping[str, Any]) -> Any:
    """A golden tensor [samples, …]."""
    import numpy

    _check_digest(files, about["sha256"])
    dtype = numpy.dtype(about["dtype"]).newbyteorder("<")
    with files.open(f"files/{about['sha256']}") as stream:
        return numpy.frombuffer(stream.read(), dtype).reshape(about["shape"]).astype(dtype.newbyteorder("="))


def _check_digest(files: Tree, digest: str) -> None:
    name = f"files/{digest}"
    if name not in files.sizes:
        raise Refused("file-missing", name)
    if sha256(files, name) != digest:
        raise Refused("file-digest", name)


def _decibel(signal: float, noise: float) -> float:
    """10 log10(signal / noise), within ±MOST_DB; noise that is no number is the worst."""
    if noise == 0:
        return MOST_DB
    if signal == 0 or not math.isfinite(noise):
        return -MOST_DB
    return max(-MOST_DB, min(MOST_DB, 10 * (math.log10(signal) - math.log10(noise))))
