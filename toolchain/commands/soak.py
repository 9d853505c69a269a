"""`soak`: files run for long on one device, for throttling and for leaks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeship.toolchain.commands.subjects import Calls, subjects_of
from edgeship.toolchain.errors import EXIT_DEVICE, EXIT_LINE_FAILED, EXIT_OK, DeviceError, RecipeError
from edgeship.toolchain.link import Link
from edgeship.toolchain.measure import soak as soaking
from edgeship.toolchain.measure.bench import Subject
from edgeship.toolchain.measure.soak import Plan
from edgeship.toolchain.plugin import Device
from edgeship.toolchain.report.soak import Soak, Soaked


def soak(
    files: list[Path],
    plan: Plan,
    device: Device,
    calls: Calls,
    on_note: Callable[[str], None],
) -> Soak:
    """Each file alone: first without a pause, then loaded and unloaded; one that cannot be executed says why.

    RecipeError for a device that has no time, and for a plan without a window.
    """
    if device.counts:
        raise RecipeError("an emulated core has no time and no memory", "devices that have: local, boards and phones")
    if plan.seconds < plan.window_s:
        raise RecipeError(f"{plan.seconds:g} s have no window of {plan.window_s:g} s", "a shorter --window")
    subjects = subjects_of(files, calls, on_note)
    with device.open() as link:
        found = [
            _soaked(str(file), subject, link, plan, on_note) for file, subject in zip(files, subjects, strict=True)
        ]
        facts = link.facts()
    return Soak(
        device=facts,
        seconds=plan.seconds,
        window_s=plan.window_s,
        rounds=plan.rounds,
        streams=plan.streams,
        threads=calls.threads,
        files=found,
    )


def exit_code(found: Soak) -> int:
    """1 where a file leaks, 5 where one could not be executed, else 0: what throttles is a property of the device."""
    if any(each.leak_bytes for each in found.files):
        return EXIT_LINE_FAILED
    return EXIT_DEVICE if any(each.error for each in found.files) else EXIT_OK


def _soaked(file: str, subject: Subject, link: Link, plan: Plan, on_note: Callable[[str], None]) -> Soaked:
    try:
        on_note(f"{file}: {plan.seconds:g} s without a pause, then {plan.rounds} loads")
        sustained = soaking.sustain(subject, link, plan)
        resident = soaking.load_again(subject, link, plan)
    except DeviceError as error:
        return Soaked(file=file, error=str(error))
    heat = [(state.t / 1e9, state.soc_c) for state in sustained.run.env or [] if state.soc_c is not None]
    return Soaked(
        file=file,
        per_second=sustained.per_second,
        last_to_first=sustained.last_to_first,
        speed="slower" if sustained.verdict == "throttles" and link.is_shared() else sustained.verdict,
        degrees=heat,
        resident_bytes=resident,
        leak_bytes=soaking.leak_bytes(resident),
    )
