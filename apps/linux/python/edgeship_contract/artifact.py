"""One artifact of a verified bundle: its files put where a runtime can open them, and its golden samples."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .engines import Array, Model, load


class Files(Protocol):
    """What `board.verify` gives: a bundle's files by name."""

    def open(self, name: str, /) -> IO[bytes]: ...


class Verified(Protocol):
    """A bundle that may be used: what `board.verify.verify` answers."""

    @property
    def manifest(self) -> Mapping[str, Any]: ...
    @property
    def files(self) -> Files: ...
    @property
    def artifacts(self) -> tuple[str, ...]: ...


class ChangedError(Exception):
    """A file is not the one that was verified."""


class Artifact:
    """`open` wants a folder of this artifact's own: those of others have files of the same names."""

    def __init__(self, bundle: Verified, name: str) -> None:
        self._bundle = bundle
        self.name = name
        self.about: Mapping[str, Any] = next(one for one in bundle.manifest["artifacts"] if one["name"] == name)
        self.runtime: str = self.about["runtime"]["name"]
        self.inputs: list[str] = [tensor["name"] for tensor in self.about["inputs"]]
        self.outputs: list[str] = [tensor["name"] for tensor in self.about["outputs"]]
        self.min_sqnr_db: float = self.about["min_sqnr_db"]
        """Least SQNR of a device's answers against the golden ones."""
        self.samples: int = bundle.manifest["golden"]["samples"]
        """How many golden samples there are."""

    @classmethod
    def of(cls, bundle: Verified, runtime: str) -> Artifact:
        """The first artifact of a runtime that this device can execute; ValueError where there is none."""
        for one in bundle.manifest["artifacts"]:
            if one["runtime"]["name"] == runtime and one["name"] in bundle.artifacts:
                return cls(bundle, one["name"])
        raise ValueError(f"no artifact of {runtime} for this device: it has {', '.join(bundle.artifacts)}")

    def open(self, folder: Path, threads: int = 1) -> Model:
        """Write the files below a folder under their names, and load them; ChangedError."""
        self.unpack(folder)
        options = self.about["runtime"]["options"]
        return load(self.runtime, folder / self.about["entry"], self.inputs, self.outputs, threads, options)

    def unpack(self, folder: Path, golden: bool = False) -> None:
        """Write the files below a folder under their names, with the golden samples' numbers where asked; ChangedError.

        What the C++ wrapper is given.
        """
        more = self._bundle.manifest["golden"]["files"] if golden else []
        for file in [*self.about["files"], *more]:
            place = folder / file["path"]
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(self._read(file["sha256"]))

    def golden(self) -> tuple[list[Array], list[Array]]:
        """Inputs and what this file answered on the machine that made the bundle, [samples, …] in their order."""
        golden = self._bundle.manifest["golden"]
        answers = golden["outputs"][self.name]
        return [self._tensor(golden["inputs"][name]) for name in self.inputs], [
            self._tensor(answers[name]) for name in self.outputs
        ]

    def _tensor(self, about: Mapping[str, Any]) -> NDArray[Any]:
        numbers = np.frombuffer(self._read(about["sha256"]), np.dtype(about["dtype"]).newbyteorder("<"))
        return numbers.reshape(about["shape"])

    def _read(self, sha256: str) -> bytes:
        """Only bytes that are those that were verified: a file may have changed since."""
        with self._bundle.files.open(f"files/{sha256}") as stream:
            content = stream.read()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ChangedError(f"files/{sha256}")
        return content


def sqnr_db(expected: Sequence[Array], answered: Sequence[Array]) -> float:
    """Signal to quantization noise of the worst output against what is expected, in dB, of one array per output.

    Infinite where all are equal; minus infinite where one has another shape or is no number.
    """
    return min(_decibel(one.astype(np.float64), other) for one, other in zip(expected, answered, strict=True))


def _decibel(expected: NDArray[np.float64], answered: Array) -> float:
    if expected.shape != answered.shape:
        return -math.inf
    signal, noise = float((expected**2).sum()), float(((expected - answered.astype(np.float64)) ** 2).sum())
    if noise == 0:
        return math.inf
    return 10 * (math.log10(signal) - math.log10(noise)) if signal and math.isfinite(noise) else -math.inf
