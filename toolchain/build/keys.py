"""What enters the key of each piece of work; computed without torch."""

from __future__ import annotations

import functools
import inspect
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import edgeship
from edgeship.toolchain.build.store import Entry, Store, key_of
from edgeship.toolchain.model import source as sources
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.plugin import Need, Plugin
from edgeship.toolchain.recipe.plan import Data, Step, options_of

ROOT = Path(edgeship.__file__).resolve().parents[1]
BASE_PACKAGES = ("torch", "torchao")
# what every stage of the kind runs through, besides its plugin's own file
SHARED_CODE = (
    "toolchain/build/stages.py",
    "toolchain/model",
    "toolchain/passes/training.py",
    "toolchain/quantization",
    "calibration",
)


@functools.cache
def version_of(package: str) -> str:
    """The installed version of a distribution, or '' when it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


@functools.cache
def _code(*paths: Path) -> str:
    """A digest of source files and of all .py files below folders."""
    files = [f for path in paths for f in ([path] if path.is_file() else sorted(path.rglob("*.py")))]
    return key_of([[file.name, file.read_text(errors="replace")] for file in files])


@functools.cache
def _project() -> str:
    """edgeship's version; in a development checkout the files that take part, too."""
    if not (ROOT / "pyproject.toml").is_file():
        return edgeship.__version__
    return _code(*(ROOT / name for name in SHARED_CODE))


def plugin_key(plugin: Plugin, base: Path) -> Any:
    """A plugin's class, options, version, code file and the versions of the libraries it declares."""
    kind = type(plugin)
    module = sys.modules[kind.__module__]
    file = Path(inspect.getfile(module))
    return [
        f"{kind.__module__}:{kind.__qualname__}",
        options_of(plugin, base),
        kind.version,
        _code(file.parent if file.name in ("__init__.py", "target.py") else file),
        {package: version_of(package) for package in (*BASE_PACKAGES, *kind.packages)},
        _project(),
    ]


def data_key(data: Data, source: ModelSource, base: Path, store: Store) -> str:
    """The key of a data set's selected samples: its options, its files, the inputs they must fit."""
    files = [(path.name, store.file_digest(path)) for path in data.dataset.files() if path.exists()]
    inputs = options_of(source, base)["inputs"]
    return key_of(["data", plugin_key(data.dataset, base), data.selection.model_dump(), files, inputs])


def check_key(calibration: Entry, evaluation: Entry | None) -> str:
    """The key of what was found in calibration data beside evaluation data."""
    return key_of(["check", calibration.content, evaluation.content if evaluation else "", _project()])


def code_fact(source: ModelSource, base: Path) -> str:
    """Where the store remembers which of the user's files a model was built from."""
    return key_of(["code", options_of(source, base), str(base)])


def model_key(source: ModelSource, base: Path, code: list[str], store: Store, data: dict[Need, str]) -> str:
    """The key of the float program: the model's options, weights and code, and the data its example came from."""
    identity = sources.identity(source, base, [Path(file) for file in code], store.file_digest)
    versions = {package: version_of(package) for package in BASE_PACKAGES}
    return key_of(["model", identity, versions, _project(), data])


def step_key(step: Step, parent: Entry, base: Path, data: dict[Need, str]) -> str:
    """The key of a pass over a program: by the content of what it takes, not by how that was made."""
    return key_of(["step", plugin_key(step.plugin, base), parent.content, parent.meta["signature"], data])


def outputs_key(program: Entry, data: str, rows: int | None, row_scales: bool) -> str:
    """The key of a program's outputs on samples."""
    return key_of(["outputs", program.content, program.meta["signature"], data, rows, row_scales, version_of("torch")])


def artifact_key(target: Plugin, program: Entry, base: Path, spec: str, data: dict[Need, str]) -> str:
    """The key of a target's files."""
    signature = program.meta["signature"]
    return key_of(["artifact", plugin_key(target, base), program.content, signature, spec, data])
