"""`compare`: a candidate file beside a baseline on one device, launches in pairs, one verdict."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands.subjects import Calls, subjects_of
from edgeship.toolchain.errors import (
    EXIT_INCONCLUSIVE,
    EXIT_LINE_FAILED,
    EXIT_OK,
    DeviceError,
    RecipeError,
)
from edgeship.toolchain.measure import bench, comparison
from edgeship.toolchain.measure import count as counting
from edgeship.toolchain.measure.bench import Protocol, Subject
from edgeship.toolchain.measure.comparison import THRESHOLDS, Comparison, Quantity
from edgeship.toolchain.plugin import Device
from edgeship.toolchain.protocol.messages import Result
from edgeship.toolchain.report.bench import short_names

BAD = ("regression", "more")


def exit_code(*found: Comparison, inconclusive: int = EXIT_INCONCLUSIVE) -> int:
    """1 for a regression and for more instructions, `inconclusive` where nothing can be concluded, else 0."""
    verdicts = {each.verdict for each in found}
    if not verdicts.isdisjoint(BAD):
        return EXIT_LINE_FAILED
    return inconclusive if "inconclusive" in verdicts else EXIT_OK


def compare(
    pair: tuple[Path, Path],
    device: Device,
    named: str,
    quantity: Quantity | None,
    threshold: float | None,
    pairs: int,
    seconds: float,
    calls: Calls,
    on_note: Callable[[str], None],
) -> Comparison:
    """Compare the candidate (second) with the baseline (first), on random inputs.

    Without a quantity: instructions on an emulated core, latency elsewhere. RecipeError for what the device does not
    tell, and for files that cannot be compared; DeviceError when one cannot be executed there.
    """
    wanted: Quantity = quantity or ("instructions" if device.counts else "latency")
    if device.counts and wanted != "instructions":
        remedy = "devices that have time: local, and every board and phone that is at hand"
        raise RecipeError(f"{named} is an emulated core: it has no {wanted}", remedy)
    if wanted == "instructions" and not device.counts:
        raise RecipeError(
            f"{named} counts no instructions", "e.g. --device \"{ device = 'emulated', cpu = 'cortex-a53' }\""
        )
    share = THRESHOLDS[wanted] if threshold is None else threshold
    first, second = subjects_of(list(pair), calls, on_note)
    names = short_names([str(path) for path in pair])
    told = (names[0], names[1]) if names[0] != names[1] else (f"{names[0]} (1)", f"{names[1]} (2)")
    if wanted == "instructions":
        return _counted(told, (first, second), device, share)
    on_note(f"{pairs} pairs of launches, about {2 * pairs * (seconds + 1):.0f} s")
    with device.open() as link:
        answers = bench.measure([first, second], link, protocol_of(pairs, seconds))
    results = [_result(answers[subject.name], name) for subject, name in zip((first, second), told, strict=True)]
    return comparison.of_results(told, named, (results[0], results[1]), wanted, share)


def protocol_of(pairs: int, seconds: float) -> Protocol:
    """Launches of a comparison. Their number is fixed before the first: looking at the result and going on would find
    differences in noise."""
    return Protocol(launches=pairs, seconds=seconds, warmup_seconds=max(2.0, seconds))


def _counted(names: tuple[str, str], subjects: tuple[Subject, Subject], device: Device, threshold: float) -> Comparison:
    store = Store()
    with device.open() as link:
        for subject in subjects:
            if reason := link.can_execute(subject.artifact, "count"):
                raise DeviceError(reason)
        before, after = (counting.count(subject, link, store) for subject in subjects)
        core = str(link.facts()["model"])
    sizes = (subjects[0].artifact.size_bytes, subjects[1].artifact.size_bytes)
    return comparison.of_counts(names, core, (before, after), sizes, threshold)


def _result(answer: Result | str, name: str) -> Result:
    if isinstance(answer, str):
        raise DeviceError(f"{name}: {answer}")
    return answer
