"""Artifact files wherever they come from: looked into, described as an Artifact, given inputs."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.artifact import MANIFEST, Artifact, Runtime, Tensor
from edgeship.toolchain.build import keys
from edgeship.toolchain.errors import EdgeshipError, RecipeError, missing_extra
from edgeship.toolchain.quant import FLOAT16, FLOAT32, W8_WEIGHTS, W8A8_DYNAMIC, W8A8_STATIC, QuantSpec
from edgeship.toolchain.samples import Samples

# suffix: format, runtime, the module whose inspect_file reads it, the package it needs and the extra that brings it
FORMATS = {
    ".pte": ("executorch", "executorch", "edgeship.targets.executorch.inspect", "executorch", "executorch"),
    ".onnx": ("onnx", "onnxruntime", "edgeship.targets.onnx.inspect", "onnx", "onnx"),
    ".tflite": ("litert", "litert", "edgeship.targets.litert.inspect", "ai-edge-litert", "litert"),
    ".mlpackage": ("coreml", "coreml", "edgeship.targets.coreml.inspect", "coremltools", "coreml"),
    ".aimodel": ("coreai", "coreai", "edgeship.targets.coreai.inspect", "coreai-core", "coreai"),
    ".pt": ("torchscript", "torch", "edgeship.targets.torchscript.inspect", "torch", ""),
    ".ptl": ("torchscript_lite", "torch", "edgeship.targets.torchscript.inspect", "torch", ""),
    ".pt2": ("torch", "torch", "edgeship.targets.torchscript.inspect", "torch", ""),
}


def inspect(path: Path) -> dict[str, Any]:
    """What is in a file: format, size_bytes, inputs, outputs, operators, dtypes, largest, backends."""
    if not path.exists():
        raise RecipeError(f"{path}: there is no such file", "check the path")
    if path.suffix not in FORMATS:
        raise RecipeError(f"{path}: not a kind of file edgeship knows", f"it knows {', '.join(FORMATS)}")
    name, _, module, package, extra = FORMATS[path.suffix]
    if not keys.version_of(package):
        raise missing_extra(extra, package)
    found: dict[str, Any] = import_module(module).inspect_file(path)
    return {"file": str(path), "size_bytes": artifacts.size_bytes(path), **found, "format": found.get("format", name)}


def describe(path: Path) -> Artifact:
    """The Artifact a file is: by the artifact.json beside it where that describes this very file, else by its content.

    Dynamic dimensions come as names or as None.
    """
    manifest = path.parent / MANIFEST
    if path.exists() and manifest.is_file():
        found = artifacts.read(path.parent)
        if found.file == path.name:
            return found
    about = inspect(path)
    _, runtime, _, package, _ = FORMATS[path.suffix]
    inputs, outputs = ([_tensor(t, i) for i, t in enumerate(about[side])] for side in ("inputs", "outputs"))
    return Artifact(
        format=about["format"],
        file=path.name,
        spec=str(spec_of(about)),
        runtime=Runtime(name=runtime, minimum_version=about.get("minimum_version", keys.version_of(package))),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        size_bytes=about["size_bytes"],
        sha256=artifacts.digest(path),
        dtypes=about.get("dtypes", {}),
        weight_bytes=about.get("weight_bytes", {}),
    )


def spec_of(about: dict[str, Any]) -> QuantSpec:
    """The spec that fits what was found in a file; a guess, which the user may overrule."""
    operators = " ".join(about.get("operators", {})).lower()
    if {"int8", "uint8"} & set(about.get("dtypes", {})):
        return W8A8_DYNAMIC if "dynamic" in operators else W8A8_STATIC
    weights = about.get("weight_bytes", {})
    if {"int8", "uint8"} & set(weights) and weights.get("int8", 0) > weights.get("float32", 0):
        return W8_WEIGHTS
    return FLOAT16 if weights.get("float16", 0) > weights.get("float32", 0) else FLOAT32


def _tensor(about: dict[str, Any], index: int) -> Tensor:
    shape = tuple(f"dim_{index}_{axis}" if size is None else size for axis, size in enumerate(about.get("shape", ())))
    return Tensor(
        name=about.get("name") or f"input_{index}",
        dtype=about["dtype"],
        shape=shape,
        quantization=about.get("quantization"),
    )


def random_samples(artifact: Artifact, sizes: dict[str, int], count: int, seed: int = 0) -> Samples:
    """Flagged synthetic inputs: normal(0, 1) floats, integers 0 and 1; dynamic dimensions take `sizes`, else 1.

    Formats without shapes (TorchScript) cannot be given inputs: EdgeshipError says how to name them.
    """
    random = np.random.default_rng(seed)
    inputs = {}
    for tensor in artifact.inputs:
        shape = (count, *(sizes.get(size, 1) if isinstance(size, str) else size for size in tensor.shape))
        dtype = np.dtype("float32" if tensor.quantization else tensor.dtype)
        if dtype.kind == "f":
            inputs[tensor.name] = random.standard_normal(shape).astype(dtype)
        else:
            inputs[tensor.name] = random.integers(0, 2, shape).astype(dtype)
    if not inputs:
        raise EdgeshipError(f"{artifact.file}: does not say what inputs it takes", "add --input NAME:SHAPE:DTYPE")
    return Samples(inputs, synthetic=True)
