"""Builds a recipe's lines: each unique program once, then each target over it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from pathlib import Path

from edgeship.toolchain import registry
from edgeship.toolchain.artifact import Artifact, PluginUse, Provenance
from edgeship.toolchain.artifact import read as read_artifact
from edgeship.toolchain.build import keys, memory
from edgeship.toolchain.build.entries import Entries
from edgeship.toolchain.build.executor import Executor, Slots, Workers
from edgeship.toolchain.build.lines import Built, Comparison, Event, Reference, Stopped, stopped
from edgeship.toolchain.build.programs import Programs
from edgeship.toolchain.build.records import (
    ArtifactRecord,
    DataRecord,
    FindingsRecord,
    FloorRecord,
    OutputsRecord,
    samples_of,
)
from edgeship.toolchain.build.stages.analysis import Analyse
from edgeship.toolchain.build.stages.artifact import ARTIFACT, BuildArtifact, WarmUp
from edgeship.toolchain.build.stages.outputs import OUTPUTS, RESIZED, RESIZED_OUTPUTS, STREAM_OUTPUTS
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.build.store import Entry, Store, key_of
from edgeship.toolchain.build.tidying import tidy
from edgeship.toolchain.plugin import Analysis
from edgeship.toolchain.recipe.plan import Model, Plan, Recipe, Step, options_of
from edgeship.toolchain.room import out_of_room


class Builder:
    """Everything one run's lines share: the store, the executor, and what was built already."""

    def __init__(
        self, recipe: Recipe, store: Store, executor: Executor, slots: Slots, on_event: Callable[[Event], None]
    ) -> None:
        self.recipe = recipe
        self.store = store
        self.slots = slots
        """Whoever works on this machine holds one: programs go first, targets wait for them; verifying goes last."""
        self._on_event = on_event
        self._stopped = False
        self._executor = executor
        self._entries = Entries(store, executor, on_event)
        self._programs = Programs(recipe, store, self._entries)
        self.models: dict[str, StoredProgram] = {}
        """The float programs that lines have started from, by the model's name."""

    def build(self) -> Iterator[Built | Stopped]:
        """Build every plan; lines come as they finish, a failed one never stops another."""
        tidy(self.store)
        firsts = {plan.target_name: plan for plan in self.recipe.plans if not plan.unsupported}.values()
        threads = ThreadPoolExecutor(max_workers=max(4, len(self.recipe.plans) + len(firsts)))
        try:
            futures = [threads.submit(self._line, plan) for plan in self.recipe.plans]
            for plan in firsts:
                threads.submit(self._warm_up, plan)
            for future in as_completed(futures):
                yield future.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            self.close()

    def program(self, model: Model, steps: Sequence[Step] = ()) -> StoredProgram:
        """The program of a model after these passes; its `context` is what a plugin works with."""
        return self._programs.program(model, steps)

    def findings(self, analysis: Analysis, model: Model, steps: Sequence[Step]) -> FindingsRecord:
        """What an analysis decides, looking at the program of a model after these passes."""
        program = self.program(model, steps)
        base = self.recipe.base
        key = keys.findings_key(analysis, program.entry, base, program.origin.contents(analysis.needs))
        return self._entries.entry(key, FindingsRecord, model.name, Analyse(program, analysis, key)).record

    def reference(self, model: Model) -> Reference:
        """The float model's outputs on its evaluation (else calibration, else synthetic) samples."""
        program = self._programs.shipped(self._programs.of_model(self._programs.origin(model)))
        samples = self._programs.samples(program.origin)
        outputs = self._programs.outputs(program, samples, model.name)
        return Reference(samples_of(samples), outputs.folder / OUTPUTS, program.signature)

    def close(self) -> None:
        """End all work and start no more; who waits to warm a worker up goes home."""
        self._stopped = True
        self._programs.exporting.set()
        self._executor.close()

    def peak_bytes(self) -> dict[str, int]:
        """The most memory each worker took."""
        return self._executor.peak_bytes()

    def _line(self, plan: Plan) -> Built | Stopped:
        if plan.unsupported:
            self._on_event(Event(plan.name, "unsupported", plan.unsupported))
            return Stopped(plan, "unsupported", "", plan.unsupported)
        programs = self._programs
        stage, warnings = "data", list[str]()
        try:
            origin = programs.origin(plan.model)
            needs = {need for step in plan.steps for need in step.plugin.needs}
            for need, data in origin.data.items():
                warnings += data.record.warnings if need in needs or need == "evaluation" else ()
            warnings += programs.check(origin) if {"calibration"} & needs & set(origin.data) else ()
            warnings += origin.contradictions()
            stage = "model"
            model = program = self.models[plan.model.name] = programs.of_model(origin)
            warnings += model.entry.record.warnings
            for step in plan.steps:
                stage = step.name
                program = programs.after(program, step)
                warnings += program.entry.record.warnings
            stage = "contract"
            model, program = programs.shipped(model), programs.shipped(program)
            if program.origin is not origin:
                warnings += [text for entry in program.origin.data.values() for text in entry.record.warnings]
            stage = plan.target_name
            entry = self._artifact(plan, program)
            warnings += entry.record.warnings
            artifact = read_artifact(entry.folder / ARTIFACT)
            # outputs to compare with come last: the targets' workers need not wait for them
            stage = "reference outputs"
            samples = programs.samples(program.origin)
            reference = programs.outputs(model, samples, plan.model.name)
            expected = self._expected(plan, program, samples)
            stage = "noise floor"
            floor = self._floor(plan, program, samples, expected, reference, artifact)
            if floor.record.problem:
                warnings += [f"judged by fixed limits: its noise floor could not be measured ({floor.record.problem})"]
        except Exception as error:
            full = out_of_room(error, self.store.root) if isinstance(error, OSError) else None
            line = stopped(plan, stage, full or error, tuple(warnings))
            if not self._stopped:  # what is cut off by Ctrl-C did not fail
                self._on_event(Event(plan.name, line.status, line.reason))
            return line
        self._on_event(Event(plan.name, "progress", "built"))
        comparison = _comparison(samples, reference, expected, floor)
        return Built(plan, entry.folder / ARTIFACT, artifact, model.signature, comparison, tuple(warnings))

    def _artifact(self, plan: Plan, program: StoredProgram) -> Entry[ArtifactRecord]:
        base, data = self.recipe.base, program.origin.contents(plan.target.needs)
        contract = program.origin.contract()
        key = keys.artifact_key(plan.target, program.entry, base, str(plan.spec), contract, data)
        stage = BuildArtifact(program, plan.target_name, plan.target, key, provenance(plan, program, base), contract)
        return self._entries.entry(key, ArtifactRecord, plan.name, stage)

    def _expected(self, plan: Plan, program: StoredProgram, samples: Entry[DataRecord]) -> Entry[OutputsRecord]:
        name = f"{plan.model.name} {plan.variant}"
        return self._programs.outputs(program, samples, name, self.recipe.verify.samples, _row_scales(plan))

    def _floor(
        self,
        plan: Plan,
        program: StoredProgram,
        samples: Entry[DataRecord],
        expected: Entry[OutputsRecord],
        reference: Entry[OutputsRecord],
        artifact: Artifact,
    ) -> Entry[FloorRecord]:
        name, half = f"{plan.model.name} {plan.variant}", bool((artifact.dtypes or {}).get("float16"))
        return self._programs.floor(program, samples, expected, reference, name, _row_scales(plan), half)

    def _warm_up(self, plan: Plan) -> None:
        """Let a target's worker import what it needs while the first program is made."""
        self._programs.exporting.wait()
        report = self._entries.report(plan.target_name)
        self._executor.prepare(WarmUp(plan.target_name, plan.target), report)


def _row_scales(plan: Plan) -> bool:
    """Whether the target computes this program with a scale per row."""
    return plan.target.row_scales and plan.spec.has("dynamic")


def _comparison(
    samples: Entry[DataRecord],
    reference: Entry[OutputsRecord],
    expected: Entry[OutputsRecord],
    floor: Entry[FloorRecord],
) -> Comparison:
    folder, record = expected.folder, expected.record
    return Comparison(
        samples=samples_of(samples),
        reference=reference.folder / OUTPUTS,
        expected=folder / OUTPUTS,
        resized=(folder / RESIZED, folder / RESIZED_OUTPUTS) if record.resized else None,
        stream=folder / STREAM_OUTPUTS if record.stream else None,
        floor=floor.record.floor,
        digest=key_of([samples.content, reference.content, expected.content, floor.record.model_dump(mode="json")]),
    )


def provenance(plan: Plan, program: StoredProgram, base: Path) -> Provenance:
    """What a line's artifact is made from and with."""
    model = next(program.way)
    packages = (*keys.BASE_PACKAGES, *type(plan.target).packages)
    return Provenance(
        model=model.entry.record.model.get("digest", ""),
        passes=tuple(PluginUse(name=step.name, options=options_of(step.plugin, base)) for step in plan.steps),
        target=PluginUse(name=plan.target_name, options=options_of(plan.target, base)),
        edgeship=registry.version_of("edgeship"),
        libraries={package: registry.version_of(package) for package in packages},
    )


@contextmanager
def builder(
    recipe: Recipe,
    store: Store,
    log: Path,
    on_event: Callable[[Event], None],
    here: frozenset[str] = frozenset(),
) -> Iterator[Builder]:
    """A Builder whose workers end with the block, whatever happens in it; stages of the families in `here` run here."""
    slots = Slots(recipe.build.workers or os.cpu_count() or 1, memory.for_workers(recipe.build.memory_gb))
    made = Builder(recipe, store, Workers(log, recipe.build, slots, here), slots, on_event)
    try:
        yield made
    finally:
        made.close()
