"""`rehearse`: the same files under another version of their runtime."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from edgeship.toolchain import registry
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands.compare import exit_code as code_of
from edgeship.toolchain.commands.compare import protocol_of
from edgeship.toolchain.commands.subjects import Calls, subjects_of
from edgeship.toolchain.devices.emulated.device import EmulatedLink, core_of
from edgeship.toolchain.devices.emulated.other_version import OtherVersion
from edgeship.toolchain.devices.launch import launch
from edgeship.toolchain.devices.other_python import OtherPython, python_with
from edgeship.toolchain.errors import (
    EXIT_INCONCLUSIVE,
    EXIT_LINE_FAILED,
    DeviceError,
    MissingError,
    RecipeError,
    missing_extra,
)
from edgeship.toolchain.judge import limits, parity
from edgeship.toolchain.judge.answers import rows, stacked
from edgeship.toolchain.measure import bench
from edgeship.toolchain.measure import count as counting
from edgeship.toolchain.measure.bench import Subject
from edgeship.toolchain.measure.comparison import THRESHOLDS, Pair, of_counts, of_pairs
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config, Result
from edgeship.toolchain.quant import parse
from edgeship.toolchain.report.bench import short_names
from edgeship.toolchain.report.rehearsal import Rehearsal, Rehearsed
from edgeship.toolchain.samples import Array

SAMPLES = 16
"""Random inputs whose outputs are compared."""
NOT_RUN = "does not run"


def rehearse(
    files: list[Path],
    requirements: list[str],
    pairs: int,
    seconds: float,
    core: str | None,
    calls: Calls,
    on_note: Callable[[str], None],
) -> Rehearsal:
    """Execute files under the installed version and under another one, on the same random inputs, on this host.

    With a core, their instructions are counted on it, too. The first of `requirements` is the runtime's, NAME==VERSION;
    the others are installed with it. RecipeError where it is not, or not of the runtime that executes the files;
    MissingError where they cannot be installed. Files that do not run say so.
    """
    distribution, version = _parts(requirements[0])
    subjects = subjects_of(files, calls, on_note, SAMPLES)
    for file, subject in zip(files, subjects, strict=True):
        runtime = registry.runtime_info(subject.artifact.runtime.name)
        if runtime is None or runtime.distribution != distribution:
            has = runtime.distribution if runtime else subject.artifact.runtime.name
            raise RecipeError(f"{file} is executed by {has}, not by {distribution}", f"e.g. --with {has}==VERSION")
        if not registry.version_of(distribution):
            raise missing_extra(runtime.extra, distribution)
    installed = registry.version_of(distribution)
    on_note(f"preparing {' '.join(requirements)}")
    counted = _cores(core, subjects[0].artifact.runtime.name, version) if core else None
    today = OtherPython(Path(sys.executable))
    other = OtherPython(python_with(*requirements))
    names = short_names([str(file) for file in files])
    found = [_outputs(name, subject, today, other, version) for name, subject in zip(names, subjects, strict=True)]
    run = [(each, subject) for each, subject in zip(found, subjects, strict=True) if each.error is None]
    if counted:
        on_note(f"counting instructions on {counted[0].cpu}")
        _count(run, counted, (installed, version))
    if run and pairs:
        on_note(f"{pairs} pairs of launches of each file, about {2 * len(run) * pairs * (seconds + 1):.0f} s")
        _time(run, today, other, (installed, version), pairs, seconds)
    return Rehearsal(
        device=today.facts(),
        distribution=distribution,
        installed=installed,
        other=version,
        samples=SAMPLES,
        files=found,
    )


def exit_code(found: Rehearsal, inconclusive: int = EXIT_INCONCLUSIVE) -> int:
    """1 where a file does not run, answers differently or gets slower; `inconclusive` where that is not known."""
    if any(each.error or each.uncounted or each.outputs == "different" for each in found.files):
        return EXIT_LINE_FAILED
    told = [comparison for each in found.files for comparison in (each.latency, each.instructions) if comparison]
    return code_of(*told, inconclusive=inconclusive)


def _parts(requirement: str) -> tuple[str, str]:
    name, sign, version = requirement.partition("==")
    if not sign or not name.strip() or not version.strip():
        raise RecipeError(f"--with {requirement}: is not NAME==VERSION", "e.g. --with onnxruntime==1.30.0")
    return name.strip(), version.strip()


def _cores(name: str, runtime: str, version: str) -> tuple[EmulatedLink, EmulatedLink]:
    """An emulated core with the installed version and with the other one."""
    try:
        core = core_of(name)
    except ValueError as error:
        raise RecipeError(f"--count {name}: {error}", "e.g. --count cortex-a76") from error
    return EmulatedLink(core), OtherVersion(core, runtime, version)


def _count(
    run: list[tuple[Rehearsed, Subject]], links: tuple[EmulatedLink, EmulatedLink], versions: tuple[str, str]
) -> None:
    """Fill in the instructions of files that run under both."""
    store = Store()
    for each, subject in run:
        counts = []
        for link, version in zip(links, versions, strict=True):
            try:
                counts.append(counting.count(subject, link, store))
            except (DeviceError, MissingError) as error:
                each.uncounted = f"not counted under {version}: {error}"
                break
        else:
            names = (f"{each.file} ({versions[0]})", f"{each.file} ({versions[1]})")
            both = (subject.artifact.size_bytes, subject.artifact.size_bytes)
            limit = THRESHOLDS["instructions"]
            each.instructions = of_counts(names, links[0].cpu, (counts[0], counts[1]), both, limit)


def _outputs(name: str, subject: Subject, today: OtherPython, other: OtherPython, version: str) -> Rehearsed:
    """What a file answers under both."""
    inputs = rows(subject.samples, len(subject.samples))
    load = Load(subject.artifact, subject.folder, inputs, threads=subject.threads, options=subject.options)
    told = []
    for link, what in ((today, "here"), (other, f"under {version}")):
        try:
            launched = launch(link, load, Config(mode="verify"))
        except DeviceError as error:
            return Rehearsed(file=name, error=f"{NOT_RUN} {what}: {error}")
        if failed := launched.result.runs[0].error:
            return Rehearsed(file=name, error=f"{NOT_RUN} {what}: {failed.phase}: {failed.message}")
        told.append(launched.outputs)
    before, after = told
    limit = limits.threshold(parse(subject.artifact.spec), subject.artifact, {}).program_db
    if _identical(before, after):
        return Rehearsed(file=name, outputs="identical", limit_db=limit)
    try:
        found = parity.compare(stacked(before), stacked(after))
    except ValueError:  # of shapes that depend on the data
        return Rehearsed(file=name, outputs="different", limit_db=limit)
    alike = not found.problems and found.sqnr_db >= limit
    return Rehearsed(file=name, outputs="alike" if alike else "different", sqnr_db=found.sqnr_db, limit_db=limit)


def _identical(before: list[dict[str, Array]], after: list[dict[str, Array]]) -> bool:
    """To the bit, NaN too."""
    return [_bits(row) for row in before] == [_bits(row) for row in after]


def _bits(row: dict[str, Array]) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {name: (array.dtype.name, array.shape, array.tobytes()) for name, array in row.items()}


def _time(
    timed: list[tuple[Rehearsed, Subject]],
    today: OtherPython,
    other: OtherPython,
    versions: tuple[str, str],
    pairs: int,
    seconds: float,
) -> None:
    """Fill in the latency of files that run under both, all launches of one session interleaved."""
    twice = [
        replace(subject, name=f"{place}{subject.name}", link=link)
        for _, subject in timed
        for place, link in enumerate((today, other))
    ]
    answers = bench.measure(twice, today, protocol_of(pairs, seconds))
    told: list[tuple[Rehearsed, Pair]] = []
    for each, subject in timed:
        before, after = (answers[f"{place}{subject.name}"] for place in range(2))
        if isinstance(before, Result) and isinstance(after, Result):
            names = (f"{each.file} ({versions[0]})", f"{each.file} ({versions[1]})")
            told.append((each, Pair(names, (before, after))))
        else:
            version, why = (versions[0], before) if isinstance(before, str) else (versions[1], after)
            each.error = f"not measured under {version}: {why}"
    compared = of_pairs([pair for _, pair in told], "local", "latency", THRESHOLDS["latency"])
    for (each, _), comparison in zip(told, compared, strict=True):
        each.latency = comparison
