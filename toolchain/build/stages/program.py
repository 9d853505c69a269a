"""Stages that make programs: the float one from the user's model, and one after each pass."""

from __future__ import annotations

import gc
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeship.toolchain.build import keys
from edgeship.toolchain.build.records import ProgramRecord
from edgeship.toolchain.build.stages.stage import Report, Stage, collecting
from edgeship.toolchain.build.stages.stored import EXAMPLE_DATA, MODULE, PROGRAM, Origin, StoredProgram
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.model import program as programs
from edgeship.toolchain.model.cost import cost
from edgeship.toolchain.model.identity import code_files, provenance
from edgeship.toolchain.model.load import load
from edgeship.toolchain.model.signature import signature as signature_of
from edgeship.toolchain.model.soundness import check_batch_statistics
from edgeship.toolchain.plugin import Context, ModulePass, ModuleToProgramPass, ProgramPass
from edgeship.toolchain.quant import FLOAT32
from edgeship.toolchain.recipe.plan import Step

if TYPE_CHECKING:
    from torch.export import ExportedProgram


@dataclass(frozen=True)
class BuildModel(Stage):
    """Load the model, check that it is alive, export it: the float program every line starts from."""

    origin: Origin

    def run(self, report: Report) -> str:
        """Only loading tells which of the user's files take part: the store remembers them for the next run."""
        started = time.monotonic()
        origin, store = self.origin, Store(self.origin.store)
        report("progress", "loading the model")
        module = load(origin.source, origin.base)
        code = [str(file) for file in code_files(origin.source, origin.base)]
        store.note(keys.code_fact(origin.source, origin.base), code)

        def make(folder: Path) -> ProgramRecord:
            example = origin.example()
            warnings, warn = collecting(report)
            signature = signature_of(origin.source, module, example, warn)
            report("progress", "exporting the program")
            program = programs.export(module, example, signature)
            check_batch_statistics(program, warn)
            origin.check_configuration(module, warn)
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

    before: StoredProgram
    step: Step
    key: str

    def run(self, report: Report) -> str:
        """The entry holds the program and, after a pass over modules, what restores its module."""
        started = time.monotonic()
        store = Store(self.before.origin.store)

        def make(folder: Path) -> ProgramRecord:
            warnings, warn = collecting(report)
            context = self.before.context(self.step.plugin.needs, store.scratch(self.key), warn, report)
            programs.save(self._applied(context, folder), folder / PROGRAM)
            return ProgramRecord(
                signature=self.before.signature,
                spec=str(self.step.spec),
                warnings=tuple(warnings),
                seconds=time.monotonic() - started,
            )

        store.once(self.key, ProgramRecord, make)
        gc.collect()
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
            return programs.export(module, context.example, context.signature)
        raise TypeError(f"{self.step.name} is none of the three kinds of pass")
