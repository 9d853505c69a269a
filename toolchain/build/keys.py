"""What enters the key of each piece of work; computed without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edgeship.toolchain.artifact import Contract
from edgeship.toolchain.build import code
from edgeship.toolchain.build.records import ProgramRecord
from edgeship.toolchain.build.store import Entry, Store, key_of
from edgeship.toolchain.model.identity import identity
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.plugin import Need, Plugin, Signature
from edgeship.toolchain.recipe.plan import Data, Step, options_of
from edgeship.toolchain.registry import version_of

BASE_PACKAGES = ("torch", "torchao")
STAGES = "edgeship.toolchain.build.stages"
_signature = TypeAdapter(Signature)


def plugin_key(plugin: Plugin, base: Path) -> Any:
    """A plugin's class, options, version, its code with what that imports, and the libraries it declares."""
    kind = type(plugin)
    return [
        f"{kind.__module__}:{kind.__qualname__}",
        options_of(plugin, base),
        kind.version,
        code.digest_of_plugin(plugin),
        {package: version_of(package) for package in (*BASE_PACKAGES, *kind.packages)},
    ]


def data_key(data: Data, source: ModelSource, base: Path, store: Store) -> str:
    """The key of a data set's selected samples: its options, its files, the inputs they must fit."""
    files = [(path.name, store.file_digest(path)) for path in data.dataset.files() if path.exists()]
    model = options_of(source, base)
    wanted = [model["inputs"], model["dims"]]
    selection = data.selection.model_dump()
    return key_of(["data", plugin_key(data.dataset, base), selection, files, wanted, _stage("data")])


def check_key(calibration: str, evaluation: str) -> str:
    """The key of what was found in calibration data beside evaluation data, by their contents."""
    return key_of(["check", calibration, evaluation, _stage("check")])


def code_fact(source: ModelSource, base: Path) -> str:
    """Where the store remembers which of the user's files a model was built from."""
    return key_of(["code", options_of(source, base), str(base)])


def model_key(source: ModelSource, base: Path, files: list[str], store: Store, data: dict[Need, str]) -> str:
    """The key of the float program: the model's options, weights and code files, and the data its example came from."""
    made_from = identity(source, base, [Path(file) for file in files], store.file_digest)
    versions = {package: version_of(package) for package in BASE_PACKAGES}
    return key_of(["model", made_from, versions, _stage("program"), data])


def step_key(step: Step, program: Entry[ProgramRecord], base: Path, data: dict[Need, str]) -> str:
    """The key of a pass over a program: by the content of what it takes, not by how that was made."""
    return key_of(["step", plugin_key(step.plugin, base), *_content(program), data, _stage("program")])


def bytes_key(data: str, contract: Contract) -> str:
    """The key of a data set's samples with bytes for pictures, by its content."""
    return key_of(["bytes", data, contract.model_dump(mode="json"), _stage("in_graph")])


def in_graph_key(program: Entry[ProgramRecord], contract: Contract, data: dict[Need, str]) -> str:
    """The key of a program with its contract folded into it."""
    versions = {package: version_of(package) for package in BASE_PACKAGES}
    return key_of(
        ["in_graph", *_content(program), contract.model_dump(mode="json"), versions, data, _stage("in_graph")]
    )


def findings_key(analysis: Plugin, program: Entry[ProgramRecord], base: Path, data: dict[Need, str]) -> str:
    """The key of what an analysis decided about a program."""
    return key_of(["findings", plugin_key(analysis, base), *_content(program), data, _stage("analysis")])


def outputs_key(program: Entry[ProgramRecord], data: str, rows: int | None, row_scales: bool) -> str:
    """The key of a program's outputs on samples."""
    return key_of(["outputs", *_content(program), data, rows, row_scales, version_of("torch"), _stage("outputs")])


def floor_key(expected: str, reference: str, program: Entry[ProgramRecord], row_scales: bool, half: bool) -> str:
    """The key of a program's noise floor: beside the program its outputs' and the float model's contents."""
    return key_of(["floor", *_content(program), expected, reference, row_scales, half, _stage("floor")])


def artifact_key(
    target: Plugin, program: Entry[ProgramRecord], base: Path, spec: str, contract: Contract, data: dict[Need, str]
) -> str:
    """The key of a target's files and their artifact.json."""
    about = contract.model_dump(mode="json")
    return key_of(["artifact", plugin_key(target, base), *_content(program), spec, about, data, _stage("artifact")])


def _content(program: Entry[ProgramRecord]) -> list[Any]:
    return [program.content, _signature.dump_python(program.record.signature, mode="json")]


def _stage(module: str) -> str:
    """The code that every stage of a kind runs through, besides its plugin's."""
    return code.digest(f"{STAGES}.{module}")
