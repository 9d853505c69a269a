"""Builds a recipe's lines: each unique program once, then each target over it, in worker processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgeship.toolchain import registry
from edgeship.toolchain.artifact import Artifact, Tensor
from edgeship.toolchain.artifact import read as read_artifact
from edgeship.toolchain.build import keys, stages
from edgeship.toolchain.build.store import Entry, Store
from edgeship.toolchain.build.worker import Here, Slots, Task, Worker
from edgeship.toolchain.errors import EdgeshipError, LineError, UnsupportedError
from edgeship.toolchain.model import source as sources
from edgeship.toolchain.plugin import Dataset, Need, Signature
from edgeship.toolchain.recipe.plan import BuildOptions, Data, Model, Plan, Recipe, Selection, options_of

PRIORITY = {"program": 0}
TARGETS = 1
VERIFYING = 2
WARMING_UP = 3
Status = Literal["ok", "failed", "unsupported"]


@dataclass(frozen=True)
class Event:
    """Something a user may want to see: the line (or model) it belongs to, the stage, and what happens."""

    line: str
    kind: Literal["progress", "warning", "done", "failed", "unsupported"]
    text: str


@dataclass
class Line:
    """What became of one plan."""

    plan: Plan
    status: Status
    reason: str = ""
    hint: str = ""
    stage: str = ""
    folder: Path | None = None
    artifact: Artifact | None = None
    signature: Signature | None = None
    samples: Path | None = None
    """What its outputs are compared on."""
    reference: Path | None = None
    """The float model's outputs on all samples."""
    expected: Path | None = None
    """The program's outputs on the first samples."""
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reference:
    """A float model's outputs on its samples, as files."""

    samples: Path
    outputs: Path
    signature: Signature


class Builder:
    """Everything one run's lines share: the store, the workers, and what was built already."""

    def __init__(
        self,
        recipe: Recipe,
        store: Store,
        log: Path,
        on_event: Callable[[Event], None],
        here: frozenset[str] = frozenset(),
    ) -> None:
        self.recipe = recipe
        self.store = store
        self._log = log
        self._on_event = on_event
        self._here = here
        self._lock = threading.Lock()
        self._stopped = False
        self._exporting = threading.Event()
        """Set when a model is exported: its targets' workers can warm up; else everything may be in the cache."""
        self._once: dict[str, Future[Entry]] = {}
        self._workers: dict[str, Worker] = {}
        self.slots = Slots(recipe.build.workers or steps_at_once(recipe))
        """Whoever works for the run holds one: programs go first, for targets wait for them; verifying goes last."""

    def build(self) -> Iterator[Line]:
        """Build every plan; lines come as they finish, a failed one never stops another."""
        self.store.tidy()
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

    def reference(self, model: Model) -> Reference:
        """The float model's outputs on its evaluation (else calibration, else synthetic) samples."""
        data = {need: self._data(model, need) for need in model.data}
        program = self._model(model, data)
        samples = self._samples(model, data)
        outputs = self._outputs(model.name, program, samples, None)
        return Reference(samples.folder / stages.SAMPLES, outputs, stages.read_signature(program.meta["signature"]))

    def close(self) -> None:
        """End all workers and start no more; who waits to warm one up goes home."""
        self._stopped = True
        self._exporting.set()
        with ThreadPoolExecutor() as threads:
            list(threads.map(Worker.close, self._made_workers().values()))

    def peak_bytes(self) -> dict[str, int]:
        """The most memory each worker took."""
        return {family: worker.peak_bytes for family, worker in self._made_workers().items()}

    def _line(self, plan: Plan) -> Line:
        if plan.unsupported:
            self._on_event(Event(plan.name, "unsupported", plan.unsupported))
            return Line(plan, "unsupported", plan.unsupported)
        line = Line(plan, "ok")
        try:
            self._build(plan, line)
            self._on_event(Event(plan.name, "done", ""))
        except Exception as error:
            line.status = "unsupported" if isinstance(error, UnsupportedError) else "failed"
            line.reason = str(error) or type(error).__name__
            line.hint = getattr(error, "hint", "")
            if not isinstance(error, EdgeshipError):
                line.reason = f"{type(error).__name__}: {line.reason}"
            if not self._stopped:  # what is cut off by Ctrl-C did not fail
                self._on_event(Event(plan.name, line.status, line.reason))
        return line

    def _warm_up(self, plan: Plan) -> None:
        """Let a target's worker import what it needs while the first program is made, if a slot is free by then."""
        self._exporting.wait()
        with self.slots.hold(WARMING_UP):
            if self._stopped:
                return
            worker = self._worker(plan.target_name)
            if not worker.turn.acquire(blocking=False):
                return
            try:
                if not worker.started:
                    worker.call(Task(stages.warm_up, (plan.target,)), lambda kind, text: None)
            finally:
                worker.turn.release()

    def _build(self, plan: Plan, line: Line) -> None:
        line.stage = "data"
        data = {need: self._data(plan.model, need) for need in plan.model.data}
        if "calibration" in data and any("calibration" in step.plugin.needs for step in plan.steps):
            line.warnings += [*data["calibration"].meta["warnings"], *self._check(plan.model, data)]
        line.stage = "model"
        model = self._model(plan.model, data)
        line.warnings += model.meta["warnings"]
        line.signature = stages.read_signature(model.meta["signature"])
        origin = self._origin(plan.model, data)
        program, chain = model, []
        for step in plan.steps:
            line.stage = step.name
            needed = {need: data[need].content for need in step.plugin.needs}
            key = keys.step_key(step, program, self.recipe.base, needed)
            chain.append((step, key))
            task = Task(stages.build_step, (origin, tuple(chain), model.key))
            program = self._entry(key, "program", f"{plan.model.name} {plan.variant}: {step.name}", task)
            line.warnings += program.meta["warnings"]
        line.stage = plan.target_name
        needed = {need: data[need].content for need in plan.target.needs}
        key = keys.artifact_key(plan.target, program, self.recipe.base, str(plan.spec), needed)
        provenance = self._provenance(plan, model)
        task = Task(stages.build_artifact, (origin, key, plan.target, tuple(chain), model.key, provenance))
        entry = self._entry(key, plan.target_name, plan.name, task)
        line.warnings += entry.meta["warnings"]
        line.folder = entry.folder / stages.ARTIFACT
        line.artifact = read_artifact(line.folder)
        # outputs to compare with come last: the targets' workers need not wait for them
        line.stage = "reference outputs"
        samples = self._samples(plan.model, data)
        line.samples = samples.folder / stages.SAMPLES
        line.reference = self._outputs(plan.model.name, model, samples, None)
        rows = self.recipe.verify.samples
        line.expected = self._outputs(
            f"{plan.model.name} {plan.variant}",
            program,
            samples,
            rows,
            row_scales=plan.target.row_scales and plan.spec.kind == "dynamic",
        )

    def _origin(self, model: Model, data: dict[Need, Entry]) -> stages.Origin:
        files = {need: entry.folder / stages.SAMPLES for need, entry in data.items()}
        return stages.Origin(self.store.root, self.recipe.base, model.source, files)

    def _data(self, model: Model, need: Need) -> Entry:
        return self._samples_of(model.data[need], model)

    def _check(self, model: Model, data: dict[Need, Entry]) -> list[str]:
        """Warnings about a model's calibration data."""
        calibration, evaluation = data["calibration"], data.get("evaluation")
        key = keys.check_key(calibration, evaluation)
        other = evaluation.folder / stages.SAMPLES if evaluation else None
        task = Task(stages.check_data, (self.store.root, key, calibration.folder / stages.SAMPLES, other))
        return list(self._entry(key, "program", f"{model.name}: calibration data", task).meta["warnings"])

    def _samples_of(self, data: Data, model: Model) -> Entry:
        key = keys.data_key(data, model.source, self.recipe.base, self.store)
        task = Task(stages.read_data, (self.store.root, key, data, _inputs(model.source)))
        return self._entry(key, "program", f"{model.name}: {data.name} data", task)

    def _samples(self, model: Model, data: dict[Need, Entry]) -> Entry:
        """What outputs are compared on: evaluation data, else calibration data, else flagged synthetic samples."""
        order: tuple[Need, ...] = ("evaluation", "calibration")
        for need in order:
            if need in data:
                return data[need]
        synthetic = registry.load("datasets", "synthetic")()
        assert isinstance(synthetic, Dataset)
        return self._samples_of(Data("synthetic", synthetic, Selection(samples=self.recipe.verify.samples)), model)

    def _model(self, model: Model, data: dict[Need, Entry]) -> Entry:
        contents: dict[Need, str] = {need: entry.content for need, entry in data.items() if need != "training"}
        code = self.store.fact(keys.code_fact(model.source, self.recipe.base))
        if isinstance(code, list):
            key = keys.model_key(model.source, self.recipe.base, code, self.store, contents)
            if entry := self.store.get(key):
                return entry
        self._exporting.set()
        task = Task(stages.build_model, (self._origin(model, data), contents))
        return self._entry(f"model {model.name}", "program", model.name, task)

    def _outputs(self, name: str, program: Entry, samples: Entry, rows: int | None, row_scales: bool = False) -> Path:
        key = keys.outputs_key(program, samples.content, rows, row_scales)
        arguments = (self.store.root, key, program.key, samples.folder / stages.SAMPLES, rows, row_scales)
        return self._entry(key, "program", name, Task(stages.run_program, arguments)).folder / stages.OUTPUTS

    def _entry(self, key: str, family: str, name: str, task: Task) -> Entry:
        """The entry of a key: from the store, from a thread that is building it, or built now by a worker."""
        with self._lock:
            future = self._once.get(key)
            mine = future is None
            if future is None:
                future = self._once[key] = Future()
        if not mine:
            return future.result()
        try:
            entry = self.store.get(key)
            if entry is None:
                worker = self._worker(family)
                # in this order: who waits for a busy worker holds no slot
                with worker.turn, self.slots.hold(PRIORITY.get(family, TARGETS)):
                    answer = worker.call(task, lambda kind, text: self._tell(name, kind, text))
                entry = self.store.get(answer)
            if entry is None:
                raise LineError(f"{name}: what was built cannot be read back from the cache", "is the disk full?")
            future.set_result(entry)
        except BaseException as error:
            future.set_exception(error)
            raise
        return entry

    def _tell(self, name: str, kind: str, text: str) -> None:
        self._on_event(Event(name, "warning" if kind == "warning" else "progress", text))

    def _made_workers(self) -> dict[str, Worker]:
        """Worker by family, a copy: a warm-up may add one meanwhile."""
        with self._lock:
            return dict(self._workers)

    def _worker(self, family: str) -> Worker:
        with self._lock:
            if family not in self._workers:
                if self._stopped:
                    raise LineError("stopped before it began", "run again")
                options: BuildOptions = self.recipe.build
                limit = int(options.memory_gb * 1e9) if options.memory_gb else None
                log = self._log.with_name(f"{self._log.stem}-{family}{self._log.suffix}")
                kind = Here if family in self._here else Worker
                self._workers[family] = kind(log, options.timeout_s, limit)
            return self._workers[family]

    def _provenance(self, plan: Plan, model: Entry) -> dict[str, Any]:
        return {
            "model": model.meta["provenance"].get("digest", ""),
            "passes": [[step.name, options_of(step.plugin, self.recipe.base)] for step in plan.steps],
            "target": [plan.target_name, options_of(plan.target, self.recipe.base)],
            "edgeship": keys.version_of("edgeship"),
            "libraries": {
                package: keys.version_of(package) for package in (*keys.BASE_PACKAGES, *type(plan.target).packages)
            },
        }


def steps_at_once(recipe: Recipe) -> int:
    """One step per core, fewer where memory is short: a conversion takes about 1 GB and eight times the weights."""
    import psutil

    weights = max((_weights_bytes(model.source, recipe.base) for model in recipe.models), default=0)
    by_memory = int(psutil.virtual_memory().available // (1_000_000_000 + 8 * weights))
    return max(1, min(os.cpu_count() or 1, by_memory))


def _weights_bytes(source: sources.ModelSource, base: Path) -> int:
    files = (base / path for path in (source.weights, source.program) if path is not None)
    return sum(file.stat().st_size for file in files if file.is_file())


def _inputs(source: sources.ModelSource) -> Signature:
    """What the recipe says about a model's inputs; its outputs are known once it was loaded."""
    inputs = tuple(Tensor(name=value.name, dtype=value.dtype, shape=value.shape) for value in source.inputs)
    return Signature(inputs, (), dict(source.dims), dict(source.state))


@contextmanager
def builder(
    recipe: Recipe,
    store: Store,
    log: Path,
    on_event: Callable[[Event], None],
    here: frozenset[str] = frozenset(),
) -> Iterator[Builder]:
    """A Builder whose workers end with the block, whatever happens in it; families in `here` get no worker."""
    made = Builder(recipe, store, log, on_event, here)
    try:
        yield made
    finally:
        made.close()
