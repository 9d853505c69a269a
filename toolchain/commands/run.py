"""One run: build, verify and measure a recipe's lines on each of its devices, and report."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeship import toolchain
from edgeship.toolchain import registry, timing
from edgeship.toolchain.build import builder as pipeline
from edgeship.toolchain.build import keys
from edgeship.toolchain.build.builder import Builder
from edgeship.toolchain.build.lines import Built, Event, Stopped, stopped
from edgeship.toolchain.build.memory import VERIFY_TIMES, expected
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands import measure
from edgeship.toolchain.devices.absent import Absent
from edgeship.toolchain.devices.agents.python import facts
from edgeship.toolchain.errors import (
    EXIT_DEVICE,
    EXIT_INCONCLUSIVE,
    EXIT_LINE_FAILED,
    EXIT_OK,
    DeviceError,
    EdgeshipError,
    LineError,
    MissingError,
)
from edgeship.toolchain.judge.line import Judged, Line, judge
from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.link import Link
from edgeship.toolchain.measure import deflate
from edgeship.toolchain.recipe import preflight
from edgeship.toolchain.recipe.plan import Plan, Recipe, options_of
from edgeship.toolchain.report import past
from edgeship.toolchain.report.budgets import findings
from edgeship.toolchain.report.compare import compare
from edgeship.toolchain.report.document import Report, shared_warnings
from edgeship.toolchain.report.folder import Keeper, RunFolder
from edgeship.toolchain.report.rows import model_facts, row
from edgeship.toolchain.timing import Timing

OnEvent = Callable[[Event], None]
VERIFYING = 2
"""The priority of verifying among what waits for a slot: after building, before warm-ups."""


@dataclass(frozen=True)
class Options:
    """What one run does."""

    quick: bool = False
    measure: bool = True
    remeasure: bool = False


@dataclass(frozen=True)
class Outcome:
    """A finished run and where it is kept."""

    folder: RunFolder
    report: Report


def exit_code(report: Report, strict: bool = False) -> int:
    """1 when a line failed, a verdict is bad or a budget exceeded; 2 or 4 where the recipe or the machine alone made
    lines fail.

    Else 5 when a device was not reached; 3 when a budget is neither met nor exceeded and, if `strict`, when a line
    cannot be verified. Unsupported and not-executed lines cost nothing.
    """
    verdicts = {finding.verdict for finding in report.budgets}
    unproven = strict and any(line.verdict == "unverifiable" for line in report.lines)
    open_ = unproven or verdicts & {"inconclusive", "unknown"}
    fine = EXIT_DEVICE if report.not_reached else EXIT_INCONCLUSIVE if open_ else EXIT_OK
    if "exceeded" in verdicts:
        fine = EXIT_LINE_FAILED
    return min((line.error_code or EXIT_LINE_FAILED for line in report.lines if line.bad), default=fine)


def run_into(
    runs: Path,
    recipe: Recipe,
    options: Options,
    on_event: OnEvent,
    store: Store | None = None,
    here: frozenset[str] = frozenset(),
) -> Outcome:
    """`run` with everything kept in a new run directory below `runs`."""
    preflight.check(recipe)
    folder = RunFolder.claim(runs, recipe.name)
    folder.begin(recipe, [_plan(plan, recipe) for plan in recipe.plans])
    report = run(recipe, options, on_event, folder, store, here)
    try:
        past.keep(report)
    except EdgeshipError as error:  # what was found is worth more than its place in the history
        report.warnings.append(f"not kept in the history: {error} ({error.hint})")
    return Outcome(folder, folder.finish(report))


def run(
    recipe: Recipe,
    options: Options,
    on_event: OnEvent,
    keeper: Keeper,
    store: Store | None = None,
    here: frozenset[str] = frozenset(),
) -> Report:
    """Run a recipe; a line that fails is recorded and the others go on.

    The recipe has passed preflight. `here` names the worker families that run in this process (see
    edgeship.toolchain.commands.notebook). DeviceError or MissingError before work starts where no device is reached.
    """
    store = store or Store()

    def tell(event: Event) -> None:
        keeper.event(event)
        on_event(event)
        if event.kind == "spent":
            timings.append(Timing.model_validate_json(event.text).model_copy(update={"line": event.line}))

    seconds: dict[str, float] = {}
    timings: list[Timing] = []
    with contextlib.ExitStack() as leases:
        links = _opened(recipe, leases)
        machines = {name: link.facts() for name, link in links.items()}
        started = time.monotonic()
        with pipeline.builder(recipe, store, keeper.log, tell, here) as builder:
            lines = _build_and_verify(builder, recipe, links, keeper, tell)
            peaks = builder.peak_bytes()
            models = [model_facts(model, builder.models.get(model.name)) for model in recipe.models]
        seconds["build and verify"] = time.monotonic() - started
        rows = {line.plan.name: row(line, path) for line, path in lines}
        if options.measure:
            started = time.monotonic()
            built = [line.built for line, _ in lines if isinstance(line, Judged)]
            measure.Session(recipe, links, options.quick, options.remeasure, store, keeper, tell).add(built, rows)
            seconds["measure"] = time.monotonic() - started
    counting = [name for name, device in recipe.devices.items() if device.counts]
    budgets = findings(recipe.budgets, list(rows.values()), counting)
    compare(list(rows.values()), {finding.line for finding in budgets if finding.verdict == "exceeded"})
    for line, _ in lines:
        if isinstance(line, Judged) and rows[line.plan.name].recommended:
            with contextlib.suppress(LineError):  # a full disk: the report goes without it
                size_bytes = deflate.of_artifact(line.built.artifact, line.built.folder, store)
                rows[line.plan.name].compressed_bytes = size_bytes
    return Report(
        name=recipe.name,
        created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        edgeship=toolchain.__version__,
        quick=options.quick,
        measured=options.measure,
        models=models,
        variants=list(dict.fromkeys(plan.variant for plan in recipe.plans)),
        targets=list(dict.fromkeys(plan.target_name for plan in recipe.plans)),
        devices=machines,
        counting=counting,
        not_reached={name: link.reason for name, link in links.items() if isinstance(link, Absent)},
        host=facts(),
        libraries=_libraries(recipe),
        protocol=dataclasses.asdict(measure.protocol(recipe, options.quick)),
        max_metric_drop=recipe.verify.max_metric_drop,
        budgets=budgets,
        warnings=shared_warnings(list(rows.values())),
        seconds=seconds,
        worker_peak_bytes=peaks,
        timings=sorted(timings, key=lambda timing: timing.started_s),
        lines=list(rows.values()),
    )


def _opened(recipe: Recipe, leases: contextlib.ExitStack) -> dict[str, Link]:
    """The way to each device, or what stands for one that cannot be reached."""
    links: dict[str, Link] = {}
    problems: list[DeviceError | MissingError] = []
    for name, device in recipe.devices.items():
        try:
            links[name] = leases.enter_context(device.open())
        except (DeviceError, MissingError) as error:
            problems.append(error)
            links[name] = Absent(f"{error} ({error.hint})" if error.hint else str(error))
    if len(problems) == len(links):
        raise problems[0]
    return links


def _build_and_verify(
    builder: Builder, recipe: Recipe, links: Mapping[str, Link], keeper: Keeper, tell: OnEvent
) -> list[tuple[Line, str | None]]:
    """Every line in the recipe's order with the path of its file; verified while others are still built."""
    lines = max(1, len(recipe.plans))
    # each line waits in a thread for those of its devices
    with ThreadPoolExecutor(lines) as waiting, ThreadPoolExecutor(lines * len(links)) as trials:

        def verdicts(line: Built) -> dict[str, Future[Verdict]]:
            return {
                name: trials.submit(_verdict, line, name, link, builder, recipe, tell) for name, link in links.items()
            }

        try:
            futures = {
                line.plan.name: waiting.submit(_finished, line, verdicts, keeper, tell) for line in builder.build()
            }
            return [futures[plan.name].result() for plan in recipe.plans]
        except BaseException:
            waiting.shutdown(wait=False, cancel_futures=True)
            trials.shutdown(wait=False, cancel_futures=True)
            raise


def _finished(
    built: Built | Stopped, ask: Callable[[Built], dict[str, Future[Verdict]]], keeper: Keeper, tell: OnEvent
) -> tuple[Line, str | None]:
    """The verdicts of all devices on a line; a verification that breaks down stops it."""
    if isinstance(built, Stopped):
        return built, None
    path = keeper.artifact(built)
    tell(Event(built.plan.name, "progress", "verifying"))
    asked = ask(built)
    try:
        verdicts = {name: trial.result() for name, trial in asked.items()}
    except Exception as error:
        line = stopped(built.plan, "verify", error, built.warnings, built.artifact)
        tell(Event(built.plan.name, "failed", line.reason))
        return line, path
    tell(Event(built.plan.name, "done", ", ".join(dict.fromkeys(verdict.verdict for verdict in verdicts.values()))))
    return Judged(built, verdicts), path


def _verdict(built: Built, device: str, link: Link, builder: Builder, recipe: Recipe, tell: OnEvent) -> Verdict:
    asked = time.time()
    with builder.slots.hold(VERIFYING, expected(VERIFY_TIMES, built.artifact.size_bytes)):
        waits = {"started_s": asked, "waited_s": time.time() - asked, "cpu_s": None}
        with timing.clock() as clock:
            verdict = judge(built, recipe, recipe.devices[device], link, builder.store)
    tell(Event(built.plan.name, "spent", clock.timing("verify").model_copy(update=waits).model_dump_json()))
    return verdict


def _plan(plan: Plan, recipe: Recipe) -> dict[str, Any]:
    return {
        "name": plan.name,
        "model": plan.model.name,
        "variant": plan.variant,
        "passes": [[step.name, options_of(step.plugin, recipe.base)] for step in plan.steps],
        "target": [plan.target_name, options_of(plan.target, recipe.base)],
        "spec": str(plan.spec),
        "unsupported": plan.unsupported,
        "decided_by": {step.name: step.decided_by for step in plan.steps if step.decided_by},
    }


def _libraries(recipe: Recipe) -> dict[str, str]:
    names = {package for plan in recipe.plans for package in type(plan.target).packages} | set(keys.BASE_PACKAGES)
    return {name: version for name in sorted(names) if (version := registry.version_of(name))}
