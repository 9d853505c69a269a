"""Our int8 files beside what each runtime's own quantizer makes of the same float model and calibration samples.

Static int8 of the networks in compared.py for ExecuTorch, ONNX Runtime and LiteRT, and dynamic int8 of MiniLM for the
latter two (ExecuTorch's stock quantizer stops at Hugging Face encoders). Launches of the float, our and their file are
interleaved (ABBA); a ratio is the geometric mean over pairs of launches with its 95% t interval. A row whose three
files and protocol are those of the last run is kept; --again measures it anew. --files builds and compares only, and
writes beside the measured rows (results/latency.files.json, not committed).

Alone on two cores: building about 1 minute per network where edgeship's cache is empty, measuring about 25 s per
row at 10 pairs; 70 minutes in all. A network's quantizers are given up after 10 minutes each.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks import compared, lines, peers, profiles
from benchmarks.latency_goals import FLOAT_LATENCY, goals
from benchmarks.results import ROOT, Results, say
from edgeship.toolchain import stats
from edgeship.toolchain.artifact import Artifact, digest
from edgeship.toolchain.build.builder import builder
from edgeship.toolchain.build.lines import Built, Stopped
from edgeship.toolchain.build.store import Record, Store, key_of
from edgeship.toolchain.commands import inspect as foreign
from edgeship.toolchain.devices.agents.python import facts
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.errors import DeviceError, EdgeshipError, MissingError
from edgeship.toolchain.judge import parity
from edgeship.toolchain.measure import bench
from edgeship.toolchain.measure.bench import Protocol, Subject
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config, Result
from edgeship.toolchain.registry import version_of
from edgeship.toolchain.report.compare import to_blame
from edgeship.toolchain.samples import Samples, load_samples

QUANTIZERS = ("onnxruntime", "ai-edge-quantizer", "executorch", "torchao")
COMPARED = 64
"""Held-out samples on which outputs are compared, at most."""


@dataclasses.dataclass(frozen=True)
class File:
    """One of the three files of a row."""

    artifact: Artifact
    folder: Path


class PeerRecord(Record):
    """What a runtime's own quantizer made."""

    kind: ClassVar[str] = "peer"

    model: str


def main() -> None:
    """Build, compare and measure the networks that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=compared.NAMES, help="only this network; may be repeated")
    parser.add_argument("--quick", action="store_true", help="digits only, 3 pairs of short launches")
    parser.add_argument("--pairs", type=int, default=10, help="launches per file")
    parser.add_argument("--seconds", type=float, default=0.4, help="measuring time per launch")
    parser.add_argument("--again", action="store_true", help="measure rows that are known, too")
    parser.add_argument("--files", action="store_true", help="build and compare only: sizes and SQNR, no latency")
    options = parser.parse_args()
    protocol = Protocol(launches=options.pairs, seconds=options.seconds, warmup_seconds=0.4, min_iterations=30)
    if options.quick:
        protocol = Protocol(launches=3, seconds=0.2, warmup_seconds=0.3, min_iterations=20, quick=True)
    # rows without a clock would take the place of measured ones
    results = Results("latency.files" if options.files else "latency", options.quick)
    for model in options.model or (["digits"] if options.quick else compared.NAMES):
        for target, line, other in _built(model):
            name = f"{model} {target}"
            try:
                if isinstance(line, str):
                    raise EdgeshipError(line)
                known = None if options.again else results.rows.get(name)
                row = _row(model, target, line, other, None if options.files else protocol, known)
            except EdgeshipError as error:
                row = {"error": str(error)[:300]}
                say(f"{name}: {error}")
            results.put(name, row, goals)
    results.finish(goals)


def _built(model: str) -> Iterator[tuple[str, Built | str, Built | None]]:
    """Target, our int8 line (or why there is none) and the float line, target by target."""
    recipe, variant = compared.recipe(model), compared.variant(model)
    say(f"{model}: building")
    with tempfile.TemporaryDirectory(prefix="edgeship-benchmark-") as work:
        with builder(recipe, Store(), Path(work) / "log.txt", lambda event: None) as build:
            found = {(line.plan.variant, line.plan.target_name): line for line in build.build()}
        for target in dict.fromkeys(target for _, target in found):
            ours, plain = found[variant, target], found["float", target]
            if isinstance(ours, Built) and isinstance(plain, Built):
                yield target, ours, plain
            else:
                failed = next(line for line in (ours, plain) if isinstance(line, Stopped))
                yield target, f"{failed.plan.name}: {failed.reason}", None


def _row(
    model: str, target: str, line: Built, plain: Built | None, protocol: Protocol | None, known: dict[str, Any] | None
) -> dict[str, Any]:
    assert plain is not None
    kind = f"{target}-{'dynamic' if line.plan.variant == 'int8-dynamic' else 'static'}"
    files = {"float": _file(plain), "ours": _file(line)}
    samples = load_samples(line.comparison.samples)
    say(f"{model} {target}: {peers.TOOLS[kind]}")
    files["theirs"] = _theirs(kind, model, files["float"], line)
    digests = {name: file.artifact.sha256 for name, file in files.items()}
    # without a clock the row of an earlier run stands where its files are these
    conditions = {"sha256": digests} | ({"protocol": dataclasses.asdict(protocol)} if protocol else {})
    if known and all(known.get(key) == value for key, value in conditions.items()):
        say(f"{model} {target}: measured before, kept")
        unexplained = known.get("to_blame") is None and known.get("ours_to_float", [0, 0])[1] > FLOAT_LATENCY
        return known | {"to_blame": _to_blame(files, samples)} if unexplained else known
    some = samples.take(range(min(COMPARED, len(samples))))
    expected = {name: array[: len(some)] for name, array in load_samples(line.comparison.reference).inputs.items()}
    found = {name: parity.compare(expected, _outputs(file, some)) for name, file in files.items()}
    row = {
        "model": model,
        "target": target,
        "covers": compared.covers(model),
        "variant": line.plan.variant,
        "tool": peers.TOOLS[kind],
        **conditions,
        "size_bytes": {name: file.artifact.size_bytes for name, file in files.items()},
        "sqnr_db": {name: found[name].sqnr_db for name in files},
        "cosine": {name: found[name].cosine for name in files},
        "problems": {name: found[name].problems for name in files if found[name].problems},
    }
    if protocol is None:
        return row
    medians = measure(files, samples, protocol, f"{model} {target}")
    to_float = ratio(medians["ours"], medians["float"])
    return row | {
        "measured": time.strftime("%Y-%m-%d", time.gmtime()),
        "vnni": any("vnni" in feature for feature in facts()["cpu"].get("features", [])),
        "p50_ns": {name: float(np.median(values)) for name, values in medians.items()},
        "launch_medians_ns": {name: [round(value) for value in values] for name, values in medians.items()},
        "ours_to_theirs": ratio(medians["ours"], medians["theirs"]),
        "ours_to_float": to_float,
        "to_blame": _to_blame(files, samples) if to_float[1] > FLOAT_LATENCY else None,
        "theirs_to_float": ratio(medians["theirs"], medians["float"]),
    }


def _to_blame(files: dict[str, File], samples: Samples) -> str | None:
    """The operator that makes our file slower than its float twin: by the runtime's profile, else by what is float."""
    ours = files["ours"]
    first = samples.take([0])
    subjects = [Subject("", file.artifact, file.folder, first) for file in (ours, files["float"])]
    found = None
    with (
        contextlib.suppress(DeviceError, MissingError),
        Local().open() as link,
    ):  # without a profile, what is float tells
        found = profiles.slowed(*subjects, link)
    return found or (to_blame(ours.artifact) if ours.artifact.float_operators else None)


def _file(line: Built) -> File:
    return File(line.artifact, line.folder)


def _theirs(kind: str, model: str, plain: File, line: Built) -> File:
    """What the runtime's own quantizer makes, from the cache where it made it before."""
    target = kind.partition("-")[0]
    sources = [ROOT / "benchmarks" / name for name in ("peers.py", "compared.py")] + compared.sources(model)
    key = key_of(
        [
            ["peer", kind, model, plain.artifact.sha256],
            [digest(source) for source in sources],
            [version_of(library) for library in QUANTIZERS],
        ]
    )
    store, name = Store(), f"model{peers.SUFFIXES[target]}"

    def make(folder: Path) -> PeerRecord:
        with tempfile.TemporaryDirectory() as work:
            log, out = Path(work) / "log.txt", Path(work) / name
            command = [sys.executable, "-m", "benchmarks.peers", kind, model]
            code = lines.bounded([*command, str(plain.folder / plain.artifact.file), str(out)], 10, log)
            if code != 0 or not out.exists():
                said = " | ".join(log.read_text(errors="replace").strip().splitlines()[-2:])
                raise EdgeshipError(f"{peers.TOOLS[kind]}: {'no end in 10 minutes' if code is None else said}")
            shutil.move(out, folder / name)
        return PeerRecord(model=model)

    entry = store.once(key, PeerRecord, make)
    artifact = foreign.describe(entry.folder / name)
    ours = line.artifact
    # names may differ; the order does not
    inputs = _renamed(artifact.inputs, ours.inputs) if artifact.inputs else ours.inputs
    outputs = _renamed(artifact.outputs, ours.outputs) if artifact.outputs else ours.outputs
    return File(artifact.model_copy(update={"inputs": inputs, "outputs": outputs}), entry.folder)


def _renamed(theirs: tuple[Any, ...], ours: tuple[Any, ...]) -> tuple[Any, ...]:
    if {t.name for t in theirs} == {t.name for t in ours}:
        return theirs
    return tuple(t.model_copy(update={"name": o.name}) for t, o in zip(theirs, ours, strict=True))


def _outputs(file: File, samples: Samples) -> dict[str, Any]:
    """The file's outputs on samples, through its runtime: [n, *shape] by name."""
    rows = [dict(zip(samples.inputs, samples.row(i), strict=True)) for i in range(len(samples))]
    with Local().open() as link:
        launched = launch(link, Load(file.artifact, file.folder, rows), Config(mode="verify"))
    if error := launched.result.runs[0].error:
        raise EdgeshipError(f"{file.artifact.file}: {error.phase}: {error.message}")
    return {name: np.stack([answer[name] for answer in launched.outputs]) for name in launched.outputs[0]}


def measure(files: dict[str, File], samples: Samples, protocol: Protocol, name: str) -> dict[str, list[float]]:
    """Medians in nanoseconds of each file's launches, all files interleaved; EdgeshipError when one fails."""
    few = samples.take(range(min(bench.CASES, len(samples))))
    subjects = [Subject(key, file.artifact, file.folder, few) for key, file in files.items()]
    say(f"{name}: {protocol.launches} × {len(subjects)} launches")
    with Local().open() as link:
        answers = bench.measure(subjects, link, protocol)
    medians = {}
    for key, answer in answers.items():
        if not isinstance(answer, Result):
            raise EdgeshipError(f"{key}: {answer}")
        medians[key] = stats.launch_medians_ns(answer)
    return medians


def ratio(candidate: list[float], baseline: list[float]) -> list[float]:
    """Geometric mean of candidate ÷ baseline over pairs, and its 95% interval's ends."""
    mean, interval = stats.paired_ratio(candidate, baseline)
    low, high = interval or (0.0, float(2**31))
    return [round(value, 4) for value in (mean, low, high)]


if __name__ == "__main__":
    main()
