"""A model's data, its programs pass by pass, and their outputs: every one once, whoever asks."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from edgeship.toolchain.build import keys
from edgeship.toolchain.build.entries import Entries
from edgeship.toolchain.build.records import (
    CheckRecord,
    DataRecord,
    FloorRecord,
    OutputsRecord,
    ProgramRecord,
    samples_of,
)
from edgeship.toolchain.build.stages.check import CheckData
from edgeship.toolchain.build.stages.data import ReadData
from edgeship.toolchain.build.stages.floor import MeasureFloor
from edgeship.toolchain.build.stages.in_graph import FoldContract, StoreBytes
from edgeship.toolchain.build.stages.outputs import OUTPUTS, RunProgram
from edgeship.toolchain.build.stages.program import ApplyPass, BuildModel
from edgeship.toolchain.build.stages.stored import EXAMPLE_DATA, Origin, StoredProgram
from edgeship.toolchain.build.store import Entry, Store
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.model.in_graph import pictures
from edgeship.toolchain.model.source import declared
from edgeship.toolchain.plugin import Need
from edgeship.toolchain.recipe.plan import Data, Model, Recipe, Selection, Step
from edgeship.toolchain.recipe.tables import made_up


class Programs:
    """The programs of a recipe's models."""

    def __init__(self, recipe: Recipe, store: Store, entries: Entries) -> None:
        self._recipe = recipe
        self._store = store
        self._entries = entries
        self.exporting = threading.Event()
        """Set when a model is not in the store: its targets' workers can warm up."""

    def program(self, model: Model, steps: Sequence[Step] = ()) -> StoredProgram:
        """The program of a model after these passes."""
        program = self.of_model(self.origin(model))
        for step in steps:
            program = self.after(program, step)
        return program

    def origin(self, model: Model) -> Origin:
        """A model with its data read."""
        data = {need: self._data(model.data[need], model) for need in model.data}
        return Origin(self._store.root, self._recipe.base, model.name, model.source, data, model.contract)

    def of_model(self, origin: Origin) -> StoredProgram:
        """The float program, as the model was exported."""
        stage, base = BuildModel(origin), self._recipe.base
        # which of the user's files take part is known since it was loaded for the first time
        code = self._store.fact(keys.code_fact(origin.source, base))
        if isinstance(code, list):
            key = keys.model_key(origin.source, base, code, self._store, origin.contents(EXAMPLE_DATA))
            if entry := self._store.get(key, ProgramRecord):
                self._entries.repeat_warnings(origin.name, entry)
                return StoredProgram(origin, entry)
        self.exporting.set()
        return StoredProgram(origin, self._entries.entry(f"model {origin.name}", ProgramRecord, origin.name, stage))

    def after(self, program: StoredProgram, step: Step) -> StoredProgram:
        """The program after one more pass."""
        origin = program.origin
        key = keys.step_key(step, program.entry, origin.base, origin.contents(step.plugin.needs))
        name = f"{origin.name}: {step.name}"
        entry = self._entries.entry(key, ProgramRecord, name, ApplyPass(program, step, key))
        return StoredProgram(origin, entry, step, program)

    def shipped(self, program: StoredProgram) -> StoredProgram:
        """The program as targets take it: with its contract in the graph, where the recipe says so."""
        origin = program.origin
        if not origin.app.in_graph:
            return program
        contract = origin.contract()
        if contract.logits is None and not pictures(contract):
            raise RecipeError(
                f"{origin.name}: in_graph has nothing to fold", "name pictures or logits in [contract], or leave it out"
            )
        outputs = [tensor.name for tensor in program.signature.outputs]
        if contract.logits not in (None, *outputs):
            raise RecipeError(
                f"{origin.name}: there is no output {contract.logits!r}, which [contract] calls logits",
                f"its outputs are {', '.join(outputs)}",
            )
        data: dict[Need, Entry[DataRecord]] = {}
        for need in EXAMPLE_DATA:
            if need in origin.data:
                key = keys.bytes_key(origin.data[need].content, contract)
                stage = StoreBytes(origin, origin.data[need], key)
                data[need] = self._entries.entry(key, DataRecord, f"{origin.name}: {need} data", stage)
        folded = origin.in_graph(data)
        key = keys.in_graph_key(program.entry, contract, folded.contents(EXAMPLE_DATA))
        entry = self._entries.entry(key, ProgramRecord, f"{origin.name}: in graph", FoldContract(program, folded, key))
        return StoredProgram(folded, entry, program.step, program)

    def check(self, origin: Origin) -> tuple[str, ...]:
        """Warnings about a model's calibration data."""
        calibration, evaluation = origin.data["calibration"], origin.data.get("evaluation")
        key = keys.check_key(calibration.content, evaluation.content if evaluation else "")
        other = samples_of(evaluation) if evaluation else None
        stage = CheckData(origin.store, key, samples_of(calibration), other)
        return self._entries.entry(key, CheckRecord, f"{origin.name}: calibration data", stage).record.warnings

    def samples(self, origin: Origin) -> Entry[DataRecord]:
        """What outputs are compared on: evaluation data, else calibration data, else flagged synthetic samples."""
        order: tuple[Need, ...] = ("evaluation", "calibration")
        for need in order:
            if need in origin.data:
                return origin.data[need]
        return self._data(Data("synthetic", made_up(), Selection(samples=self._recipe.verify.samples)), origin)

    def outputs(
        self,
        program: StoredProgram,
        samples: Entry[DataRecord],
        name: str,
        rows: int | None = None,
        row_scales: bool = False,
    ) -> Entry[OutputsRecord]:
        """A program's outputs on the first `rows` samples, or on all."""
        key = keys.outputs_key(program.entry, samples.content, rows, row_scales)
        stage = RunProgram(program, key, samples_of(samples), rows, row_scales)
        return self._entries.entry(key, OutputsRecord, name, stage)

    def floor(
        self,
        program: StoredProgram,
        samples: Entry[DataRecord],
        expected: Entry[OutputsRecord],
        reference: Entry[OutputsRecord],
        name: str,
        row_scales: bool,
        half: bool,
    ) -> Entry[FloorRecord]:
        """A program's noise floor on the samples that it was run on, in half precision where its file computes so."""
        key = keys.floor_key(expected.content, reference.content, program.entry, row_scales, half)
        files = (samples_of(samples), expected.folder / OUTPUTS, reference.folder / OUTPUTS)
        return self._entries.entry(key, FloorRecord, name, MeasureFloor(program, key, *files, row_scales, half))

    def _data(self, data: Data, model: Model | Origin) -> Entry[DataRecord]:
        key = keys.data_key(data, model.source, self._recipe.base, self._store)
        stage = ReadData(self._store.root, key, data, declared(model.source))
        return self._entries.entry(key, DataRecord, f"{model.name}: {data.name} data", stage)
