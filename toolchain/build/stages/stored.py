"""Where a line's programs come from and where they lie: what stages and plugins start from."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.artifact import Contract
from edgeship.toolchain.build.records import DataRecord, ProgramRecord, samples_of
from edgeship.toolchain.build.stages.stage import Report
from edgeship.toolchain.build.store import Entry, Store
from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.model import program as programs
from edgeship.toolchain.model.in_graph import left_to_the_app, pictures, source_in_graph
from edgeship.toolchain.model.load import load
from edgeship.toolchain.model.signature import example
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.plugin import Context, ModulePass, Need, Signature
from edgeship.toolchain.quant import FLOAT32, QuantSpec
from edgeship.toolchain.recipe.plan import ContractOptions, Step
from edgeship.toolchain.samples import load_samples
from edgeship.toolchain.timing import part

if TYPE_CHECKING:
    from torch import nn
    from torch.export import ExportedProgram

PROGRAM = "model.pt2"
MODULE = "module"
EXAMPLE_DATA: tuple[Need, ...] = ("calibration", "evaluation")
"""The data whose first sample a model is exported with, in this order."""
CONTRACT_DATA: tuple[Need, ...] = ("evaluation", "calibration", "training")
"""The data that says how inputs are made, in this order."""


@dataclass(frozen=True)
class Origin:
    """Where a line's programs come from: one model of a recipe and its data, read already."""

    store: Path
    base: Path
    name: str
    source: ModelSource
    data: dict[Need, Entry[DataRecord]]
    app: ContractOptions = field(default_factory=ContractOptions)

    @property
    def weights_bytes(self) -> int:
        """Of the files that its weights are in; 0 where a factory makes them."""
        paths = (self.source.weights, self.source.program)
        files = (self.base / path for path in paths if path is not None)
        return sum(file.stat().st_size for file in files if file.is_file())

    def contents(self, needs: Collection[Need]) -> dict[Need, str]:
        """The digest of the data behind each need, for keys."""
        return {need: entry.content for need, entry in self.data.items() if need in needs}

    def contract(self) -> Contract:
        """How the model's inputs are made and its classes called: as the recipe says, then as its data does;
        evaluation data knows best."""
        records = [self.data[need].record.contract for need in CONTRACT_DATA if need in self.data]
        made = next((record for record in records if record.inputs), Contract())
        labels = next((record.labels for record in records if record.labels), ())
        return Contract(
            inputs={**made.inputs, **self.app.pictures, **self.app.sounds},
            labels=self.app.labels or labels,
            logits=self.app.logits,
            probabilities=self.app.probabilities,
            ranges=self.source.ranges,
            files=made.files,
        )

    def in_graph(self, data: dict[Need, Entry[DataRecord]]) -> Origin:
        """The model as its files have it where [contract] is folded into the graph; `data` has bytes for pictures."""
        contract = self.contract()
        left = left_to_the_app(contract)
        app = self.app.model_copy(
            update={"pictures": pictures(left), "logits": left.logits, "probabilities": left.probabilities}
        )
        return replace(self, source=source_in_graph(self.source, contract), data=data, app=app)

    def contract_files(self) -> dict[str, Path]:
        """Where the files lie that the contract names."""
        entries = [self.data[need] for need in CONTRACT_DATA if need in self.data]
        made = next((entry for entry in entries if entry.record.contract.inputs), None)
        return {name: made.folder / name for name in made.record.contract.files} if made else {}

    def contradictions(self) -> list[str]:
        """Warnings about data sets of one model whose inputs are made in different ways."""
        made = {need: entry.record.contract.inputs for need, entry in self.data.items() if entry.record.contract.inputs}
        if len({repr(inputs) for inputs in made.values()}) < 2:
            return []
        return [f"{' and '.join(made)} data are preprocessed in different ways: only one of them can be the app's"]

    def check_configuration(self, module: nn.Module, warn: Callable[[str], None]) -> None:
        """Warn of data that is not made as the model (in its flat wrapper) says of itself."""
        from edgeship.calibration.configuration import check_configuration

        for need in EXAMPLE_DATA:
            if need in self.data and not self.data[need].record.synthetic:
                samples = load_samples(samples_of(self.data[need]))
                for warning in check_configuration(getattr(module, "model", module), samples, need):
                    warn(warning)

    def example(self) -> tuple[Any, ...]:
        """One set of the model's inputs: the first sample of its calibration or evaluation data, else synthetic."""
        entry = next((self.data[need] for need in EXAMPLE_DATA if need in self.data), None)
        return example(self.source, load_samples(samples_of(entry)) if entry else None, 0)


@dataclass(frozen=True)
class StoredProgram:
    """A program of the store and the way there: the model's own has no pass `before` it."""

    origin: Origin
    entry: Entry[ProgramRecord]
    step: Step | None = None
    before: StoredProgram | None = None

    @property
    def spec(self) -> QuantSpec:
        """What its numbers are."""
        return self.step.spec if self.step else FLOAT32

    @property
    def signature(self) -> Signature:
        """Its inputs and outputs."""
        return self.entry.record.signature

    @property
    def size_bytes(self) -> int:
        """Of the file: its weights, and little else."""
        file = self.entry.folder / PROGRAM
        return file.stat().st_size if file.is_file() else 0

    @property
    def way(self) -> Iterator[StoredProgram]:
        """The programs from the model's own to this one."""
        if self.before is not None:
            yield from self.before.way
        yield self

    def open(self) -> ExportedProgram:
        """The program itself; EdgeshipError when it left the cache meanwhile."""
        if Store(self.origin.store).get(self.entry.key, ProgramRecord) is None:
            made_by = self.step.name if self.step else "the model"
            raise EdgeshipError(f"the program after {made_by} is gone from the cache", "run again")
        with part("load"):
            return programs.load(self.entry.folder / PROGRAM)

    def module(self, context: Context) -> nn.Module:
        """The module after the module passes on the way, each restored from its entry."""
        module = load(self.origin.source, self.origin.base)
        for program in self.way:
            if program.step is not None and isinstance(program.step.plugin, ModulePass):
                module = program.step.plugin.restore(module, program.entry.folder / MODULE, context).eval()
        return module

    def context(self, needs: frozenset[Need], scratch: Path, warn: Callable[[str], None], report: Report) -> Context:
        """What a plugin that takes this program works with: the data it needs, and the model as a teacher."""
        origin = self.origin
        samples = {need: load_samples(samples_of(entry)) for need, entry in origin.data.items() if need in needs}
        return Context(
            signature=self.signature,
            spec=self.spec,
            scratch=scratch,
            example=origin.example(),
            calibration=samples.get("calibration"),
            training=samples.get("training"),
            evaluation=samples.get("evaluation"),
            teacher=lambda: load(origin.source, origin.base),
            warn=warn,
            progress=lambda message: report("progress", message),
        )
