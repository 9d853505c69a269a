"""Stored measurements: observations under their conditions, appended, never overwritten."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from edgeship.toolchain import stats
from edgeship.toolchain.build.store import Record, Store, key_of
from edgeship.toolchain.link import Link
from edgeship.toolchain.measure import bench
from edgeship.toolchain.measure.bench import Protocol, Subject
from edgeship.toolchain.protocol.messages import Result, dump

FILE = "result.json"
DRAWN_SAMPLES = 400


class MeasurementRecord(Record):
    """One result under its conditions."""

    kind: ClassVar[str] = "measurement"

    name: str


@dataclass(frozen=True)
class Session:
    """Measures what has no measurement under these conditions yet; `again` measures all."""

    store: Store
    link: Link
    protocol: Protocol
    again: bool = False

    def results(self, subjects: Sequence[Subject], on_launch: Callable[[str, int], None]) -> dict[str, Result | str]:
        """The latest result of each subject by name, or why there is none."""
        known: dict[str, Result | str] = {}
        if not self.again:
            for subject in subjects:
                if (result := self._latest(subject)) is not None:
                    known[subject.name] = result
        missing = [subject for subject in subjects if subject.name not in known]
        fresh = bench.measure(missing, self.link, self.protocol, on_launch) if missing else {}
        for subject in missing:
            if isinstance(answer := fresh[subject.name], Result):
                self._append(subject, answer)
        return {subject.name: known.get(subject.name) or fresh[subject.name] for subject in subjects}

    def _conditions(self, subject: Subject) -> str:
        return key_of(
            [
                "measurement",
                bench.VERSION,
                subject.artifact.sha256,
                subject.artifact.runtime.model_dump(),
                dataclasses.asdict(self.protocol),
                subject.threads,
                subject.batch,
                subject.options,
                self.link.conditions(subject.artifact),
            ]
        )

    def _latest(self, subject: Subject) -> Result | None:
        conditions = self._conditions(subject)
        observed = self.store.fact(conditions) or []
        for key in reversed(observed):
            if entry := self.store.get(key, MeasurementRecord):
                return Result.model_validate_json((entry.folder / FILE).read_text())
        return None

    def _append(self, subject: Subject, result: Result) -> None:
        if self.store.read_only:
            return
        conditions = self._conditions(subject)
        key = key_of([conditions, result.id])

        def make(folder: Path) -> MeasurementRecord:
            (folder / FILE).write_text(dump(result))
            return MeasurementRecord(name=subject.name)

        self.store.once(key, MeasurementRecord, make)
        with self.store.lock(conditions):
            observed = self.store.fact(conditions) or []
            self.store.note(conditions, [*observed, key])


def flag(result: Result, name: str) -> None:
    """Add a blocking flag that was found outside the measurement itself."""
    if result.validity is not None:
        result.validity.valid = False
        result.validity.flags = sorted({*result.validity.flags, name})


def notes(result: Result) -> list[str]:
    """How a file was measured: not as an app would run it, on which cores, how hot the machine was."""
    told = []
    if result.agent.imports_torch and result.runtime.name != "torch":
        told.append("Python fallback")
    if result.agent.kind == "android":
        told.append("in the app")
    elif result.transport == "adb":
        told.append("kernels of the Linux build")
    if any(run.memory and "wasm_memory" in (run.memory.peak or {}) for run in result.runs):
        told.append("memory of WebAssembly alone")
    if cpus := result.config.pin_cpus:
        told.append(f"on CPU {', '.join(map(str, cpus))}")
    if degrees := [state.soc_c for run in result.runs for state in run.env or [] if state.soc_c is not None]:
        told.append(f"{min(degrees):.0f} to {max(degrees):.0f} °C")
    if waited := sum(run.waited or 0 for run in result.runs):
        told.append(f"waited {waited / 1e9:.0f} s to cool")
    return told


def thinned(result: Result) -> list[float]:
    """At most 400 calls of all launches, evenly picked, for drawing."""
    timed = [stats.per_call_ns(run) for run in result.runs if run.samples]
    if not timed:
        return []
    pooled = np.concatenate(timed)
    picks = np.unique(np.linspace(0, len(pooled) - 1, min(DRAWN_SAMPLES, len(pooled))).astype(int))
    return [float(value) for value in pooled[picks]]
