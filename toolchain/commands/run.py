"""One run: build, verify and measure a recipe's lines, and keep everything in a run directory."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import edgeship
from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain import stats
from edgeship.toolchain.build import builder as pipeline
from edgeship.toolchain.build import keys
from edgeship.toolchain.build.builder import Builder
from edgeship.toolchain.build.lines import Built, Event, Stopped, stopped
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.devices import local
from edgeship.toolchain.errors import EXIT_LINE_FAILED, EXIT_OK, MissingError
from edgeship.toolchain.judge.line import Judged, Line, judge
from edgeship.toolchain.measure import bench
from edgeship.toolchain.measure import history as measurements
from edgeship.toolchain.plugin import Device
from edgeship.toolchain.protocol.messages import Result
from edgeship.toolchain.recipe import preflight
from edgeship.toolchain.recipe.plan import Plan, Recipe, options_of
from edgeship.toolchain.report.document import ArtifactFacts, Measurement, Report, ReportLine, add_ratios
from edgeship.toolchain.samples import load_samples

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
    """A finished run."""

    folder: Path
    report: Report

    @property
    def exit_code(self) -> int:
        """1 when a line failed or a verdict is bad; unsupported and not-executed lines cost nothing."""
        bad = any(line.status == "failed" or line.verdict == "fail" for line in self.report.lines)
        return EXIT_LINE_FAILED if bad else EXIT_OK


def folder_for(runs: Path, name: str) -> Path:
    """Where a run that begins now belongs: RUNS/<time>-<name>."""
    return runs / f"{time.strftime('%Y%m%d-%H%M%S')}-{name}"


def run(
    recipe: Recipe,
    folder: Path,
    options: Options,
    on_event: OnEvent,
    store: Store | None = None,
    here: frozenset[str] = frozenset(),
) -> Outcome:
    """Run a recipe into `folder`; a line that fails is recorded and the others go on.

    The folder is made here; where another run has taken it, a number is added: Outcome.folder is the one.
    `here` names the worker families that run in this process (see edgeship.toolchain.commands.notebook).
    """
    preflight.check(recipe)
    store = store or Store()
    folder = claimed(folder)
    (folder / "artifacts").mkdir()
    (folder / "recipe.toml").write_text(recipe.text)
    (folder / "plan.json").write_text(json.dumps([_plan(plan, recipe) for plan in recipe.plans], indent=1) + "\n")
    seconds: dict[str, float] = {}
    with (folder / "events.jsonl").open("w") as stream:

        def tell(event: Event) -> None:
            stream.write(json.dumps({"t": round(time.time(), 3), **dataclasses.asdict(event)}) + "\n")
            stream.flush()
            on_event(event)

        started = time.monotonic()
        with pipeline.builder(recipe, store, folder / "log.txt", tell, here) as builder:
            lines = _build_and_verify(builder, recipe, folder, tell)
            peaks = builder.peak_bytes()
        seconds["build and verify"] = time.monotonic() - started
        rows = [_report_line(line) for line in lines]
        if options.measure:
            started = time.monotonic()
            _measure(recipe, lines, rows, folder, options, store, tell)
            seconds["measure"] = time.monotonic() - started
    add_ratios(rows)
    report = Report(
        name=recipe.name,
        created_at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        edgeship=edgeship.__version__,
        quick=options.quick,
        models=[model.name for model in recipe.models],
        variants=list(dict.fromkeys(plan.variant for plan in recipe.plans)),
        targets=list(dict.fromkeys(plan.target_name for plan in recipe.plans)),
        host=local.Local().facts(),
        libraries=_libraries(recipe),
        protocol=dataclasses.asdict(_protocol(recipe, options)),
        max_metric_drop=recipe.verify.max_metric_drop,
        warnings=list(dict.fromkeys(f"{m.name}: {w}" for m in recipe.models for w in _model_warnings(m.name, lines))),
        seconds=seconds,
        worker_peak_bytes=peaks,
        lines=rows,
    )
    # last and at once: a run without report.json is one that was stopped
    partial = folder / "report.json.partial"
    partial.write_text(report.model_dump_json(by_alias=True, exclude_none=True, indent=1) + "\n")
    partial.replace(folder / "report.json")
    return Outcome(folder, report)


def claimed(folder: Path) -> Path:
    """A folder that only this run has: mkdir decides between two that begin in the same second."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    stem, number = folder.name, 1
    while True:
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
            folder = folder.with_name(f"{stem}-{number}")


def _build_and_verify(builder: Builder, recipe: Recipe, folder: Path, tell: OnEvent) -> list[Line]:
    device = next(iter(recipe.devices.values()))

    def finish(line: Built | Stopped) -> Line:
        if isinstance(line, Stopped):
            return line
        with builder.slots.hold(VERIFYING):
            return _verified(line, recipe, folder, device, builder.store, tell)

    threads = ThreadPoolExecutor(max_workers=max(4, len(recipe.plans)))
    try:
        futures = [threads.submit(finish, line) for line in builder.build()]
        finished = {line.plan.name: line for line in (future.result() for future in futures)}
    finally:
        threads.shutdown(cancel_futures=True)
    return [finished[plan.name] for plan in recipe.plans]


def _verified(built: Built, recipe: Recipe, folder: Path, device: Device, store: Store, tell: OnEvent) -> Line:
    """The verdict on a built line; a verification that breaks down stops its line."""
    _copy_artifact(built, folder)
    tell(Event(built.plan.name, "progress", "verifying"))
    try:
        judged = judge(built, recipe, device, store)
    except MissingError:
        raise
    except Exception as error:
        line = stopped(built.plan, "verify", error, built.warnings, built.artifact)
        tell(Event(built.plan.name, "failed", line.reason))
        return line
    tell(Event(built.plan.name, "done", judged.verdict.verdict))
    return judged


def _copy_artifact(built: Built, folder: Path) -> None:
    """What ships goes to artifacts/; what a target left beside it, to find faults with, goes to debug/."""
    import shutil

    names = (built.artifact.file, *built.artifact.extra_files)
    shipped = {artifacts.MANIFEST, *(Path(name).parts[0] for name in names)}
    for source in built.folder.iterdir():
        home = folder / ("artifacts" if source.name in shipped else "debug") / built.plan.name
        home.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, home / source.name)
        else:
            shutil.copy2(source, home)


def _protocol(recipe: Recipe, options: Options) -> bench.Protocol:
    if options.quick:
        return bench.QUICK
    return bench.Protocol(launches=recipe.bench.launches, seconds=recipe.bench.seconds)


def _measure(
    recipe: Recipe,
    lines: Sequence[Line],
    report: Sequence[ReportLine],
    folder: Path,
    options: Options,
    store: Store,
    tell: OnEvent,
) -> None:
    protocol = _protocol(recipe, options)
    by_name = {line.plan.name: row for line, row in zip(lines, report, strict=True)}
    built = [line.built for line in lines if isinstance(line, Judged)]
    for device_name, device in recipe.devices.items():
        for threads in recipe.bench.threads:
            for batch in recipe.bench.batch:
                subjects = []
                for line in built:
                    name = line.plan.name
                    if batch > 1 and not _takes_batch(line):
                        by_name[name].warnings.append(f"batch {batch} not measured: its batch dimension is fixed")
                        continue
                    samples = load_samples(line.comparison.samples).take(range(4))
                    subjects.append(bench.Subject(name, line.artifact, line.folder, samples, threads, batch))
                session = measurements.Session(store, device, protocol, options.remeasure)
                answers = session.results(subjects, lambda name, n: tell(Event(name, "progress", f"launch {n + 1}")))
                for name, answer in answers.items():
                    row = by_name[name]
                    if isinstance(answer, str):
                        row.not_measured = answer
                        continue
                    if row.verdict == "fail":
                        measurements.flag(answer, "OUTPUT_MISMATCH")
                    file = measurements.keep(answer, folder, name, device_name)
                    row.measurements.append(_measurement(answer, device_name, threads, batch, file, folder))


def _takes_batch(line: Built) -> bool:
    return all(isinstance(tensor.shape[0], str) for tensor in line.artifact.inputs if tensor.shape)


def _measurement(result: Result, device: str, threads: int, batch: int, file: Path, folder: Path) -> Measurement:
    summary = result.summary or {}
    return Measurement(
        device=device,
        agent=result.agent.kind,
        runtime=f"{result.runtime.name} {result.runtime.version}",
        threads=threads,
        batch=batch,
        latency_ns=summary.get("latency_ns", {}),
        p50_interval_ns=summary.get("p50_interval_ns"),
        launch_medians_ns=stats.launch_medians_ns(result),
        sample_ns=measurements.thinned(result),
        cold_ns=summary.get("cold_ns", {}),
        peak_rss_bytes=summary.get("peak_rss_bytes"),
        planned_bytes=result.runtime.planned_bytes,
        launches=summary.get("launches", 0),
        samples=summary.get("samples", 0),
        flags=result.validity.flags if result.validity else [],
        notes=measurements.notes(result),
        file=file.relative_to(folder).as_posix(),
    )


def _plan(plan: Plan, recipe: Recipe) -> dict[str, Any]:
    return {
        "name": plan.name,
        "model": plan.model.name,
        "variant": plan.variant,
        "passes": [[step.name, options_of(step.plugin, recipe.base)] for step in plan.steps],
        "target": [plan.target_name, options_of(plan.target, recipe.base)],
        "spec": str(plan.spec),
        "unsupported": plan.unsupported,
    }


def _report_line(line: Line) -> ReportLine:
    plan = line.plan
    row = ReportLine(
        model=plan.model.name,
        variant=plan.variant,
        passes=[step.name for step in plan.steps],
        target=plan.target_name,
        spec=str(plan.spec),
        status="ok" if isinstance(line, Judged) else line.status,
    )
    if isinstance(line, Stopped):
        artifact, warnings = line.artifact, line.warnings
        row.reason, row.hint = line.reason or None, line.hint or None
        row.stage = line.stage if line.status == "failed" else None
    else:
        artifact, verdict = line.built.artifact, line.verdict
        warnings = (*line.built.warnings, *verdict.warnings)
        row.verdict, row.executed_by = verdict.verdict, verdict.executed_by or None
        row.reason = "; ".join(verdict.reasons) or None
        row.parity, row.parity_float = verdict.against_program, verdict.against_float
        row.threshold, row.metric = verdict.threshold, verdict.metric
    row.warnings = list(dict.fromkeys(warnings))
    if artifact is not None:
        placement = artifact.placement
        row.artifact = ArtifactFacts(
            path=f"artifacts/{plan.name}/{artifact.file}",
            format=artifact.format,
            size_bytes=artifact.size_bytes,
            sha256=artifact.sha256,
            runtime=artifact.runtime.name,
            minimum_version=artifact.runtime.minimum_version,
            dtypes=artifact.dtypes,
            weight_bytes=artifact.weight_bytes,
            nodes_delegated=placement.delegated if placement else None,
            nodes_not_delegated=placement.not_delegated if placement else None,
            not_delegated_ops=placement.not_delegated_ops if placement else None,
            reproducible=artifact.reproducible,
            notes=list(artifact.notes),
        )
    return row


def _model_warnings(model: str, lines: Sequence[Line]) -> list[str]:
    """What every line of a model warns about is said once."""
    sets = [
        set(line.built.warnings if isinstance(line, Judged) else line.warnings)
        for line in lines
        if line.plan.model.name == model and not (isinstance(line, Stopped) and line.status == "unsupported")
    ]
    return sorted(set.intersection(*sets)) if sets else []


def _libraries(recipe: Recipe) -> dict[str, str]:
    names = {package for plan in recipe.plans for package in type(plan.target).packages} | set(keys.BASE_PACKAGES)
    return {name: version for name in sorted(names) if (version := keys.version_of(name))}
