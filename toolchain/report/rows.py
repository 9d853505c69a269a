"""The report's lines out of what became of the plans: verdicts and results as records."""

from __future__ import annotations

from pathlib import Path

from edgeship.toolchain import stats
from edgeship.toolchain.build.lines import Built, Stopped
from edgeship.toolchain.build.records import DataRecord
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.judge.line import Line
from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.measure import history
from edgeship.toolchain.measure.bench import Subject
from edgeship.toolchain.protocol.messages import Result
from edgeship.toolchain.recipe.plan import Data, Model
from edgeship.toolchain.report.document import DataFacts, Execution, Measurement, ModelFacts, ReportLine, worst


def row(line: Line, path: str | None) -> ReportLine:
    """One line without measurements; `path` is where its file is kept."""
    plan = line.plan
    artifact = line.artifact if isinstance(line, Stopped) else line.built.artifact
    made = ReportLine(
        model=plan.model.name,
        variant=plan.variant,
        passes=[step.name for step in plan.steps],
        target=plan.target_name,
        spec=str(plan.spec),
        changes_model=plan.changes_model,
        status=line.status if isinstance(line, Stopped) else "ok",
        path=path if artifact else None,
        artifact=artifact,
    )
    if isinstance(line, Stopped):
        made.reason, made.hint = line.reason or None, line.hint or None
        if line.status == "failed":
            made.stage, made.error_code = line.stage, line.exit_code
        made.warnings = list(dict.fromkeys(line.warnings))
    else:
        made.warnings = list(dict.fromkeys(line.built.warnings))
        made.executions = [execution(device, verdict) for device, verdict in line.verdicts.items()]
        made.verdict = worst(made.executions)
    return made


def execution(device: str, verdict: Verdict) -> Execution:
    """A verdict as the report keeps it."""
    return Execution(
        device=device,
        verdict=verdict.verdict,
        reasons=list(verdict.reasons),
        warnings=list(verdict.warnings),
        executed_by=verdict.executed_by or None,
        parity=verdict.against_program,
        parity_float=verdict.against_float,
        spread=verdict.spread,
        threshold=verdict.threshold,
        metric=verdict.metric,
    )


def measurement(result: Result, subject: Subject, file: str) -> Measurement:
    """A result as the report keeps it; `file` holds its raw samples."""
    summary = result.summary or {}
    runtime, notes = f"{result.runtime.name} {result.runtime.version}", history.notes(result)
    if (backend := result.runtime.backend) != subject.artifact.runtime.backend:  # the device's choice
        runtime += f" ({backend})"
        if result.runtime.placement is None:
            notes.append(f"how many nodes {backend} took is unknown")
    return Measurement(
        agent=result.agent.kind,
        runtime=runtime,
        threads=subject.threads,
        batch=subject.batch,
        inputs=subject.shapes,
        latency_ns=summary.get("latency_ns", {}),
        p50_interval_ns=summary.get("p50_interval_ns"),
        launch_medians_ns=stats.launch_medians_ns(result),
        sample_ns=history.thinned(result),
        cold_ns=summary.get("cold_ns", {}),
        peak_rss_bytes=summary.get("peak_rss_bytes"),
        planned_bytes=result.runtime.planned_bytes,
        launches=summary.get("launches", 0),
        samples=summary.get("samples", 0),
        flags=result.validity.flags if result.validity else [],
        notes=notes,
        file=file,
    )


def model_facts(model: Model, program: StoredProgram | None) -> ModelFacts:
    """What a run came to know of a model; without a program, which failed, its name only."""
    if program is None:
        return ModelFacts(name=model.name)
    cost, signature = program.entry.record.cost, program.signature
    return ModelFacts(
        name=model.name,
        inputs=list(signature.inputs),
        outputs=list(signature.outputs),
        parameters=cost.parameters if cost else None,
        macs=cost.macs if cost else None,
        data={
            need: _data_facts(model.data[need], entry.record, program.origin.base)
            for need, entry in program.origin.data.items()
        },
    )


def _data_facts(data: Data, record: DataRecord, base: Path) -> DataFacts:
    """What was read; files are named relative to the recipe."""
    files = [str(value) for _, value in data.dataset if isinstance(value, Path)]
    source = " ".join((data.name, *data.dataset.references(), *files)).replace(f"{base}/", "./")
    return DataFacts(source=source, samples=record.samples, synthetic=record.synthetic, classes=record.classes)


def takes_batch(line: Built) -> bool:
    """Whether every input's first dimension may vary."""
    return all(isinstance(tensor.shape[0], str) for tensor in line.artifact.inputs if tensor.shape)
