"""Stages that make programs: the float one from the user's model, and one after each pass."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgeship.toolchain.build import keys
from edgeship.toolchain.build.memory import CAPTURE_TIMES, CONVERT_TIMES, PASS_TIMES, TRAIN_TIMES, expected
from edgeship.toolchain.build.records import ProgramRecord
from edgeship.toolchain.build.stages.stage import Report, Stage, collecting
from edgeship.toolchain.build.stages.stored import EXAMPLE_DATA, MODULE, PROGRAM, Origin, StoredProgram
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.model import program as programs
from edgeship.toolchain.model.cost import cost
from edgeship.toolchain.model.identity import code_files, provenance
from edgeship.toolchain.model.load import load
from edgeship.toolchain.model.signature import signature as signature_of
from edgeship.toolchain.model.soundness import check_batch_statistics, check_program
from edgeship.toolchain.plugin import Context, ModulePass, ModuleToProgramPass, ProgramPass
from edgeship.toolchain.quant import FLOAT32
from edgeship.toolchain.recipe.plan import Step
from edgeship.toolchain.timing import part

if TYPE_CHECKING:
    from torch.export import ExportedProgram


@dataclass(frozen=True)
class BuildModel(Stage):
    """Load the model, check that it is alive, export it: the float program every line starts from."""

    work: ClassVar[str] = "capture"

    origin: Origin

    @property
    def memory_bytes(self) -> int:
        """As far as the size of its file tells: what a factory makes is not known before."""
        return expected(CAPTURE_TIMES, self.origin.weights_bytes)

    @property
    def leads_to_bytes(self) -> int:
        """To its files."""
        return expected(CONVERT_TIMES, self.origin.weights_bytes)

    def run(self, report: Report) -> str:
        """Only loading tells which of the user's files take part: the store remembers them for the next run."""
        started = time.monotonic()
        origin, store = self.origin, Store(self.origin.store)
        report("progress", "loading the model")
        with part("load"):
            module = load(origin.source, origin.base)
        code = [str(file) for file in code_files(origin.source, origin.base)]
        store.note(keys.code_fact(origin.source, origin.base), code)

        def make(folder: Path) -> ProgramRecord:
            example = origin.example()
            warnings, warn = collecting(report)
            signature = signature_of(origin.source, module, example, warn)
            report("progress", "exporting the program")
            with part("export"):
                program = programs.export(module, example, signature)
            with part("check"):
                check_program(module, program, example, [tensor.name for tensor in signature.outputs])
            check_batch_statistics(program, warn)
            origin.check_configuration(module, warn)
            with part("save"):
                programs.save(program, folder / PROGRAM)
            return ProgramRecord(
                signature=signature,
                spec=str(FLOAT32),
                warnings=tuple(warnings),
                seconds=time.monotonic() - started,
                model=provenance(origin.source, origin.base),
                cost=cost(program, example),
            )

        key = keys.model_key(origin.source, origin.base, code, store, origin.contents(EXAMPLE_DATA))
        return store.once(key, ProgramRecord, make).key


@dataclass(frozen=True)
class ApplyPass(Stage):
    """Apply one pass to a stored program, or to the module behind it."""

    work: ClassVar[str] = "pass"

    before: StoredProgram
    step: Step
    key: str

    @property
    def memory_bytes(self) -> int:
        """For the float program and the one that it becomes."""
        trains = "training" in self.step.plugin.needs
        return expected(TRAIN_TIMES if trains else PASS_TIMES, self.before.size_bytes)

    @property
    def leads_to_bytes(self) -> int:
        """To its files."""
        return max(self.memory_bytes, expected(CONVERT_TIMES, self.before.size_bytes))

    def run(self, report: Report) -> str:
        """The entry holds the program and, after a pass over modules, what restores its module."""
        started = time.monotonic()
        store = Store(self.before.origin.store)

        def make(folder: Path) -> ProgramRecord:
            warnings, warn = collecting(report)
            context = self.before.context(self.step.plugin.needs, store.scratch(self.key), warn, report)
            with part("apply"):
                program = self._applied(context, folder)
            with part("save"):
                programs.save(program, folder / PROGRAM)
            return ProgramRecord(
                signature=self.before.signature,
                spec=str(self.step.spec),
                warnings=tuple(warnings),
                seconds=time.monotonic() - started,
            )

        store.once(self.key, ProgramRecord, make)
        return self.key

    def _applied(self, context: Context, folder: Path) -> ExportedProgram:
        plugin = self.step.plugin
        if isinstance(plugin, ProgramPass):
            return plugin.apply(self.before.open(), context)
        if isinstance(plugin, ModuleToProgramPass):
            return plugin.apply(self.before.module(context), context)
        if isinstance(plugin, ModulePass):
            module = plugin.apply(self.before.module(context), context).eval()
            (folder / MODULE).mkdir()
            plugin.save(module, folder / MODULE)
            program = programs.export(module, context.example, context.signature)
            names = [tensor.name for tensor in context.signature.outputs]
            check_program(module, program, context.example, names)
            return program
        raise TypeError(f"{self.step.name} is none of the three kinds of pass")
