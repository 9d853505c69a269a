"""What the workers do: each function makes one entry of the store and answers its key; the only place with torch."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import TypeAdapter

from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.build import keys
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.errors import DataError, EdgeshipError
from edgeship.toolchain.model import program as programs
from edgeship.toolchain.model import source as sources
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.plugin import Context, ModulePass, ModuleToProgramPass, Need, ProgramPass, Signature, Target
from edgeship.toolchain.quant import FLOAT32, QuantSpec
from edgeship.toolchain.recipe.plan import Data, Step
from edgeship.toolchain.samples import Samples, load_samples

if TYPE_CHECKING:
    from torch import nn

Report = Callable[[str, str], None]
PROGRAM = "model.pt2"
SAMPLES = "samples.safetensors"
OUTPUTS = "outputs.safetensors"
RESIZED = "resized.safetensors"
RESIZED_OUTPUTS = "resized-outputs.safetensors"
STREAM_OUTPUTS = "stream-outputs.safetensors"
ARTIFACT = "artifact"
_signature = TypeAdapter(Signature)


@dataclass(frozen=True)
class Origin:
    """Where a line's model comes from and the data of its recipe, as files."""

    store: Path
    base: Path
    source: ModelSource
    data: dict[Need, Path]

    def context(
        self,
        signature: Signature,
        spec: QuantSpec,
        needs: frozenset[Need],
        scratch: Path,
        warn: Callable[[str], None],
        report: Report,
    ) -> Context:
        """What a plugin works with: the data it asked for, and the model before any pass as a teacher."""
        samples = {need: load_samples(self.data[need]) for need in needs if need in self.data}
        return Context(
            signature=signature,
            spec=spec,
            scratch=scratch,
            example=_example(self),
            calibration=samples.get("calibration"),
            training=samples.get("training"),
            evaluation=samples.get("evaluation"),
            teacher=lambda: sources.load(self.source, self.base),
            warn=warn,
            progress=lambda message: report("progress", message),
        )


def dump_signature(signature: Signature) -> Any:
    """A signature as JSON."""
    return _signature.dump_python(signature, mode="json")


def read_signature(value: Any) -> Signature:
    """A signature from JSON."""
    return _signature.validate_python(value)


def read_data(store: Path, key: str, data: Data, signature: Signature, report: Report) -> str:
    """Read a declared data set once: the selected samples become one file."""
    from edgeship.calibration.selection import read_selected

    cache = Store(store)
    with cache.lock(key):
        if cache.get(key):
            return key
        report("progress", f"reading {data.name} data")
        chosen = data.selection
        samples = read_selected(data.dataset, signature, chosen.samples, chosen.select, chosen.seed)
        if len(samples) == 0:
            raise DataError(f"{data.name}: the data set is empty", "check its path")
        with cache.building(key) as folder:
            samples.save(folder / SAMPLES)
            meta = {"samples": len(samples), "synthetic": samples.synthetic, "warnings": list(samples.warnings)}
            cache.commit(key, folder, "data", meta)
    return key


def check_data(store: Path, key: str, calibration: Path, evaluation: Path | None, report: Report) -> str:
    """Look whether calibration data can be right: its range beside the evaluation data's, its variety, its number."""
    from edgeship.calibration.checks import check_calibration

    cache = Store(store)
    with cache.lock(key):
        if cache.get(key):
            return key
        found = check_calibration(load_samples(calibration), load_samples(evaluation) if evaluation else None)
        for warning in found:
            report("warning", warning)
        with cache.building(key) as folder:
            cache.commit(key, folder, "check", {"warnings": found})
    return key


def build_model(origin: Origin, data: dict[Need, str], report: Report) -> str:
    """Load the model, check that it is alive, export it: the float program every line starts from.

    Only loading tells which of the user's files take part: the store remembers them for the next run.
    """
    started = time.monotonic()
    store = Store(origin.store)
    report("progress", "loading the model")
    module = sources.load(origin.source, origin.base)
    code = [str(file) for file in sources.code_files(origin.source, origin.base)]
    store.note(keys.code_fact(origin.source, origin.base), code)
    key = keys.model_key(origin.source, origin.base, code, store, data)
    with store.lock(key):
        if store.get(key):
            return key
        example = _example(origin)
        warnings, warn = _collect(report)
        signature = sources.signature(origin.source, module, example, warn)
        report("progress", "exporting the program")
        program = programs.export(module, example, signature)
        with store.building(key) as folder:
            programs.save(program, folder / PROGRAM)
            meta = {
                "signature": dump_signature(signature),
                "spec": str(FLOAT32),
                "provenance": sources.provenance(origin.source, origin.base),
                "warnings": warnings,
                "seconds": time.monotonic() - started,
            }
            store.commit(key, folder, "program", meta)
    return key


def build_step(origin: Origin, chain: Sequence[tuple[Step, str]], model_key: str, report: Report) -> str:
    """Apply the last pass of a chain of (step, key) to what the ones before it left in the store."""
    started = time.monotonic()
    store = Store(origin.store)
    step, key = chain[-1]
    with store.lock(key):
        if store.get(key):
            return key
        parent = store.get(chain[-2][1] if len(chain) > 1 else model_key)
        if parent is None:
            raise EdgeshipError(f"the program before {step.name} is gone from the cache", "run again")
        signature = read_signature(parent.meta["signature"])
        warnings, warn = _collect(report)
        spec = chain[-2][0].spec if len(chain) > 1 else FLOAT32
        context = origin.context(signature, spec, step.plugin.needs, store.scratch(key), warn, report)
        with store.building(key) as folder:
            plugin = step.plugin
            if isinstance(plugin, ProgramPass):
                program = plugin.apply(programs.load(parent.folder / PROGRAM), context)
            elif isinstance(plugin, ModuleToProgramPass):
                program = plugin.apply(_module(origin, chain[:-1], store, context), context)
            elif isinstance(plugin, ModulePass):
                module = plugin.apply(_module(origin, chain[:-1], store, context), context).eval()
                (folder / "module").mkdir()
                plugin.save(module, folder / "module")
                program = programs.export(module, context.example, signature)
            else:
                raise TypeError(f"{step.name} is none of the three kinds of pass")
            programs.save(program, folder / PROGRAM)
            meta = {
                "signature": dump_signature(signature),
                "spec": str(step.spec),
                "warnings": warnings,
                "seconds": time.monotonic() - started,
            }
            store.commit(key, folder, "program", meta)
    del program
    gc.collect()
    return key


def run_program(
    store_root: Path,
    key: str,
    program_key: str,
    samples: Path,
    rows: int | None,
    row_scales: bool,
    report: Report,
) -> str:
    """The program's outputs on the first `rows` samples (None: all), row by row: what artifacts are judged against.

    Beside them what only some programs can show: outputs at another size of its dynamic dimensions, and the outputs
    of a stream whose state is fed back. `row_scales` computes a dynamically quantized program as the runtimes do that
    choose activation scales per row.
    """
    import torch

    from edgeship.toolchain.quantization.row_scales import scale_by_rows

    store = Store(store_root)
    with store.lock(key):
        if store.get(key):
            return key
        entry = store.get(program_key)
        if entry is None:
            raise EdgeshipError("the program is gone from the cache", "run again")
        data = load_samples(samples)
        count = len(data) if rows is None else min(rows, len(data))
        report("progress", f"running the program on {count} samples")
        signature = read_signature(entry.meta["signature"])
        module = programs.load(entry.folder / PROGRAM).module()
        if row_scales:
            scale_by_rows(module)
        with torch.no_grad(), store.building(key) as folder:
            _stack([_call(module, data.row(i)) for i in range(count)], signature).save(folder / OUTPUTS)
            if rows is not None and signature.is_dynamic:
                resized = _resized(data, signature)
                Samples({name: array[None] for name, array in resized.items()}).save(folder / RESIZED)
                _stack([_call(module, tuple(resized.values()))], signature).save(folder / RESIZED_OUTPUTS)
            if rows is not None and signature.state:
                _stack(_stream(module, data, count, signature), signature).save(folder / STREAM_OUTPUTS)
            store.commit(key, folder, "outputs", {"rows": count})
    return key


def _call(module: Any, row: Sequence[Any]) -> list[Any]:
    import torch

    return [value.numpy() for value in module(*(torch.from_numpy(np.ascontiguousarray(a)) for a in row))]


def _stack(answers: Sequence[Sequence[Any]], signature: Signature) -> Samples:
    columns = zip(*answers, strict=True)
    return Samples({t.name: np.stack(column) for t, column in zip(signature.outputs, columns, strict=True)})


def _resized(data: Samples, signature: Signature) -> dict[str, Any]:
    """The first samples joined or repeated to another size of every dynamic dimension: 3, or the largest allowed."""
    resized = {}
    for tensor in signature.inputs:
        array = data.inputs[tensor.name][0]
        for axis, dim in enumerate(tensor.shape):
            if isinstance(dim, str):
                low, high = signature.dims[dim]
                size = min(high, max(low, 3 if array.shape[axis] != 3 else 2))
                if axis == 0:  # a batch: of different samples
                    array = np.concatenate([data.inputs[tensor.name][i % len(data)] for i in range(size)])
                array = np.take(array, np.arange(size) % array.shape[axis], axis=axis)
        resized[tensor.name] = array
    return resized


def _stream(module: Any, data: Samples, count: int, signature: Signature) -> list[list[Any]]:
    """Outputs of consecutive samples, each taking the state that the one before it answered."""
    names = [tensor.name for tensor in signature.outputs]
    state: dict[str, Any] = {}
    answers = []
    for index in range(count):
        row = [state.get(name, array[index]) for name, array in data.inputs.items()]
        answers.append(_call(module, row))
        state = {
            signature.state[name]: value
            for name, value in zip(names, answers[-1], strict=True)
            if name in signature.state
        }
    return answers


def warm_up(target: Target, report: Report) -> None:
    """Let a target's worker import what it will need."""
    target.warm_up()


def build_artifact(
    origin: Origin,
    key: str,
    target: Target,
    chain: Sequence[tuple[Step, str]],
    model_key: str,
    provenance: dict[str, Any],
    report: Report,
) -> str:
    """Export one stored program to one target."""
    started = time.monotonic()
    store = Store(origin.store)
    with store.lock(key):
        if store.get(key):
            return key
        entry = store.get(chain[-1][1] if chain else model_key)
        if entry is None:
            raise EdgeshipError("the program is gone from the cache", "run again")
        signature = read_signature(entry.meta["signature"])
        warnings, warn = _collect(report)
        spec = chain[-1][0].spec if chain else FLOAT32
        context = origin.context(signature, spec, target.needs, store.scratch(key), warn, report)
        report("progress", "converting")
        with store.building(key) as folder:
            (folder / ARTIFACT).mkdir()
            artifact = target.export(programs.load(entry.folder / PROGRAM), folder / ARTIFACT, context)
            artifact = artifact.model_copy(update={"provenance": {**artifact.provenance, **provenance}})
            artifacts.write(artifact, folder / ARTIFACT)
            meta = {"warnings": warnings, "seconds": time.monotonic() - started}
            store.commit(key, folder, "artifact", meta)
    gc.collect()
    return key


def _module(origin: Origin, chain: Sequence[tuple[Step, str]], store: Store, context: Context) -> nn.Module:
    """The module after the module passes of a chain, each restored from its entry."""
    module = sources.load(origin.source, origin.base)
    for step, key in chain:
        if isinstance(step.plugin, ModulePass):
            entry = store.get(key)
            if entry is None:
                raise EdgeshipError(f"the result of {step.name} is gone from the cache", "run again")
            module = step.plugin.restore(module, entry.folder / "module", context).eval()
    return module


def _example(origin: Origin) -> tuple[Any, ...]:
    data: tuple[Need, ...] = ("calibration", "evaluation")
    path = next((origin.data[need] for need in data if need in origin.data), None)
    return sources.example(origin.source, load_samples(path) if path else None, 0)


def _collect(report: Report) -> tuple[list[str], Callable[[str], None]]:
    """A list that fills with the warnings that are reported on the way."""
    warnings: list[str] = []

    def warn(message: str) -> None:
        warnings.append(message)
        report("warning", message)

    return warnings, warn
