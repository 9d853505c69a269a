"""`operators`: which operators of a file its time goes into, and which modules of the model they come from."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from edgeship.toolchain import registry
from edgeship.toolchain.commands.subjects import Calls, subjects_of
from edgeship.toolchain.errors import EXIT_DEVICE, EXIT_OK, DeviceError, MissingError
from edgeship.toolchain.link import Link
from edgeship.toolchain.measure import operators as measuring
from edgeship.toolchain.measure.bench import Subject
from edgeship.toolchain.model.in_order import ORIGINS, modules_in_order
from edgeship.toolchain.plugin import Device
from edgeship.toolchain.report.bench import short_names
from edgeship.toolchain.report.operators import Operators, Profiled, TimedOperator


def operators(
    files: list[Path],
    device: Device,
    calls: Calls,
    on_note: Callable[[str], None],
) -> Operators:
    """Each file in a launch of its own, on random inputs; one that tells no operators says why."""
    subjects = subjects_of(files, calls, on_note)
    names = short_names([str(file) for file in files])
    with device.open() as link:
        found = [
            _profiled(name, file, subject, link) for name, file, subject in zip(names, files, subjects, strict=True)
        ]
        facts = link.facts()
    return Operators(device=facts, threads=calls.threads, calls=measuring.CALLS, files=found)


def exit_code(found: Operators) -> int:
    """5 where a file told none, else 0."""
    return EXIT_DEVICE if any(each.error for each in found.files) else EXIT_OK


def _profiled(name: str, file: Path, subject: Subject, link: Link) -> Profiled:
    try:
        told = measuring.operators(subject, link)
    except (DeviceError, MissingError) as error:
        return Profiled(file=name, error=str(error))
    total = sum(each.ns for each in told)
    modules = _modules(file, subject.artifact.runtime.name, [each.name for each in told])
    timed = [
        TimedOperator(
            name=each.name,
            kind=each.type or each.name,
            module=modules.get(each.name, ""),
            ns=each.ns,
            share=each.ns / total if total else 0.0,
        )
        for each in told
    ]
    return Profiled(file=name, total_ns=total, operators=timed)


def _modules(file: Path, runtime: str, names: Sequence[str]) -> dict[str, str]:
    """The model's module of each operator, where the file lies in a run's folder, which keeps in debug/, beside
    artifacts/, what is known of it."""
    line = file.resolve().parent
    kept = line.parent.parent / "debug" / line.name / ORIGINS
    info = registry.runtime_info(runtime)
    if info is None or not kept.is_file():
        return {}
    try:
        origins = json.loads(kept.read_text())
    except ValueError:
        return {}
    if info.tells_kinds:
        return modules_in_order(origins, names)
    module_of = getattr(import_module(info.inspect), "modules", None)
    found: dict[str, str] = module_of(file, origins, names) if module_of else {}
    return found
