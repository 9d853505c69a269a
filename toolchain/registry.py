"""Names to plugin classes: the built-in table and entry points, imported on first use."""

from __future__ import annotations

import contextlib
import difflib
import functools
from importlib import import_module
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Literal

from edgeship.toolchain.errors import MissingError, RecipeError
from edgeship.toolchain.plugin import Analysis, Dataset, Device, Metric, Pass, Plugin, Target
from edgeship.toolchain.runtime import RuntimeInfo

Group = Literal["passes", "targets", "devices", "datasets", "metrics", "analyses"]

BASES: dict[Group, type[Plugin]] = {
    "passes": Pass,
    "targets": Target,
    "devices": Device,
    "datasets": Dataset,
    "metrics": Metric,
    "analyses": Analysis,
}

BUILT_IN: dict[Group, dict[str, str]] = {
    "passes": {
        "prune-structured": "edgeship.toolchain.passes.prune:PruneStructured",
        "finetune": "edgeship.toolchain.passes.finetune:Finetune",
        "qat": "edgeship.toolchain.passes.qat:Qat",
        "quantize-static": "edgeship.toolchain.passes.quantize:QuantizeStatic",
        "quantize-dynamic": "edgeship.toolchain.passes.quantize:QuantizeDynamic",
        "quantize-weights": "edgeship.toolchain.passes.quantize:QuantizeWeights",
        "cast-fp16": "edgeship.toolchain.passes.cast:CastFp16",
    },
    "targets": {
        "executorch": "edgeship.targets.executorch.target:ExecuTorch",
        "onnx": "edgeship.targets.onnx.target:Onnx",
        "litert": "edgeship.targets.litert.target:LiteRT",
        "coreml": "edgeship.targets.coreml.target:CoreML",
        "coreai": "edgeship.targets.coreai.target:CoreAI",
        "torchscript": "edgeship.targets.torchscript.target:TorchScript",
    },
    "devices": {
        "local": "edgeship.toolchain.devices.local:Local",
        "emulated": "edgeship.toolchain.devices.emulated.device:Emulated",
        "ssh": "edgeship.toolchain.devices.ssh.device:Ssh",
        "adb": "edgeship.toolchain.devices.adb.device:Adb",
        "browser": "edgeship.toolchain.devices.browser.device:Browser",
        "ios": "edgeship.toolchain.devices.ios.device:Ios",
    },
    "datasets": {
        "image-folder": "edgeship.calibration.datasets.images:ImageFolder",
        "arrays": "edgeship.calibration.datasets.arrays:Arrays",
        "text": "edgeship.calibration.datasets.text:Text",
        "python": "edgeship.calibration.datasets.function:Python",
        "huggingface": "edgeship.calibration.datasets.huggingface:HuggingFace",
        "synthetic": "edgeship.calibration.datasets.synthetic:Synthetic",
    },
    "metrics": {
        "top1": "edgeship.toolchain.metrics.top1:Top1",
        "cosine": "edgeship.toolchain.metrics.cosine:Cosine",
        "python": "edgeship.toolchain.metrics.python:Python",
    },
    "analyses": {"weight-noise": "edgeship.toolchain.analyses.weight_noise:WeightNoise"},
}
SINGULAR: dict[Group, str] = {
    "passes": "pass",
    "targets": "target",
    "devices": "device",
    "datasets": "dataset",
    "metrics": "metric",
    "analyses": "analysis",
}
"""What one of a group is called in messages, and the key that names a table's plugin."""


@functools.cache
def names(group: Group) -> dict[str, str]:
    """Every registered name of a group with its dotted path; outsiders register under `edgeship.<group>`."""
    table = dict(BUILT_IN[group])
    for point in entry_points(group=f"edgeship.{group}"):
        table.setdefault(point.name, point.value)
    return table


@functools.cache
def load(group: Group, name: str) -> type[Plugin]:
    """The class behind a name; RecipeError with the nearest names when there is none."""
    table = names(group)
    if name not in table:
        near = difflib.get_close_matches(name, table, n=1)
        known = ", ".join(sorted(table))
        raise RecipeError(
            f"there is no {SINGULAR[group]} {name!r}",
            f"did you mean {near[0]!r}? known: {known}" if near else f"known: {known}",
        )
    module, _, attribute = table[name].partition(":")
    try:
        plugin = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise MissingError(
            f"{name}: cannot import {table[name]} ({error})", "reinstall the package that brings it"
        ) from error
    if not issubclass(plugin, BASES[group]):
        raise RecipeError(f"{name}: {table[name]} is not a {BASES[group].__name__}", "see edgeship.toolchain.plugin")
    return plugin  # type: ignore[no-any-return]


@functools.cache
def runtimes() -> dict[str, RuntimeInfo]:
    """Every runtime that a target declares, by name; a target that cannot be imported declares none."""
    declared: dict[str, RuntimeInfo] = {}
    for name in names("targets"):
        with contextlib.suppress(MissingError):
            target = load("targets", name)
            if issubclass(target, Target) and target.runtime:
                declared.setdefault(target.runtime.name, target.runtime)
    return declared


def runtime_info(name: str) -> RuntimeInfo | None:
    """What is known of a runtime; None when no target here declares it."""
    return runtimes().get(name)


def runtime_of(suffix: str) -> RuntimeInfo | None:
    """The runtime that executes files with this suffix; None when no target here declares one."""
    return next((runtime for runtime in runtimes().values() if suffix in runtime.suffixes), None)


@functools.cache
def version_of(package: str) -> str:
    """The installed version of a distribution, or '' when it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
