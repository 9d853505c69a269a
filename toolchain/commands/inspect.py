"""Artifact files wherever they come from: looked into, described as an Artifact, given inputs."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain import registry
from edgeship.toolchain.artifact import MANIFEST, Artifact, Backend, Runtime, Tensor
from edgeship.toolchain.commands.isolated import REMEDY, Reader, damaged
from edgeship.toolchain.errors import EdgeshipError, RecipeError, missing_extra
from edgeship.toolchain.quant import FLOAT16, FLOAT32, W8_WEIGHTS, W8A8_DYNAMIC, W8A8_STATIC, QuantSpec
from edgeship.toolchain.runtime import RuntimeInfo
from edgeship.toolchain.samples import Array, Samples

MAX_SAMPLES_BYTES = 2 << 30
MAX_DIMENSIONS = 32  # numpy takes 64
NAME_IT = "say what it takes: --input NAME:SHAPE:DTYPE"


def inspect(path: Path, reader: Reader | None = None) -> dict[str, Any]:
    """What is in a file: format, size_bytes, inputs, outputs, operators, dtypes, largest, backends.

    Weights that it keeps in files beside it count. Where a format has no names for inputs and outputs, they come from
    the artifact.json beside it, else from their positions: `names` says which. A child process reads it: `reader`'s, or
    one of its own. RecipeError for what is no file of a known kind, or without the files that are parts of it;
    EdgeshipError for a damaged one.
    """
    runtime = check(path)
    needed = runtime.inspect_distribution or runtime.distribution
    if not registry.version_of(needed):
        raise missing_extra(runtime.extra, needed)
    with contextlib.nullcontext(reader) if reader else Reader() as reading:
        found = reading.inspect_file(runtime.inspect, path)
    kind = {"format": found.get("format", runtime.suffixes[path.suffix])}
    size = sum(artifacts.size_bytes(file) for file in (path, *_beside(path, found)))
    return {"file": str(path), "size_bytes": size, **_named(path, found), **kind}


def check(path: Path) -> RuntimeInfo:
    """The runtime of a file's kind; RecipeError unless it is a readable file (or a folder, where they are folders)."""
    if not path.exists():
        raise RecipeError(f"{path}: there is no such file", "check the path")
    runtime = registry.runtime_of(path.suffix)
    if runtime is None or not runtime.inspect:
        known = ", ".join(suffix for each in registry.runtimes().values() if each.inspect for suffix in each.suffixes)
        raise RecipeError(f"{path}: not a kind of file edgeship knows", f"it knows {known}")
    if path.is_dir() is not runtime.folders:
        wanted = "a folder" if runtime.folders else "a regular file"
        raise RecipeError(f"{path}: is not {wanted}, as a {path.suffix} is", "check the path")
    for part in [path, *path.rglob("*")]:
        if not part.is_dir() and not part.is_file():  # pipes and devices never end
            raise RecipeError(f"{part}: is neither a file nor a folder", "check the path")
        if not os.access(part, os.R_OK):
            raise RecipeError(f"{part}: cannot be read", "check its permissions")
    return runtime


def describe(path: Path, reader: Reader | None = None) -> Artifact:
    """The Artifact a file is: by the artifact.json beside it where that describes this very file, else by its content.

    Dynamic dimensions come as names. A file that does not tell its inputs (TorchScript) has none here, and outputs of
    the dtype "unknown". Raises as `inspect` does.
    """
    if (manifest := _manifest(path)) is not None:
        return manifest
    about = inspect(path, reader)
    runtime = check(path)
    version = about.get("minimum_version", registry.version_of(runtime.inspect_distribution or runtime.distribution))
    extra = {file.relative_to(path.parent).as_posix(): artifacts.digest(file) for file in _beside(path, about)}
    try:
        inputs, outputs = ([_tensor(t, i) for i, t in enumerate(about[side])] for side in ("inputs", "outputs"))
        if any(told["dtype"] is None for told in about["inputs"]):
            inputs = []
        return Artifact(
            format=about["format"],
            file=path.name,
            extra_files=tuple(extra),
            extra_sha256=extra,
            spec=str(spec_of(about)),
            runtime=Runtime(
                name=runtime.name,
                minimum_version=version,
                backends=(Backend(name=about.get("backend", "cpu")),),
                options=about.get("runtime_options", {}),
            ),
            inputs=tuple(inputs),
            outputs=tuple(outputs),
            size_bytes=about["size_bytes"],
            sha256=artifacts.digest(path),
            dtypes=about.get("dtypes"),
            weight_bytes=about.get("weight_bytes"),
        )
    except ValidationError as error:
        what = ".".join(map(str, error.errors()[0]["loc"]))
        raise EdgeshipError(f"{path}: {damaged(path)} (its {what} cannot be)", REMEDY) from error


def _manifest(path: Path) -> Artifact | None:
    """The artifact.json beside a file where it is about this file; EdgeshipError where its content is another."""
    if not path.exists() or not (path.parent / MANIFEST).is_file():
        return None
    artifact = artifacts.read(path.parent)
    return artifact if artifact.file == path.name else None


def _named(path: Path, about: dict[str, Any]) -> dict[str, Any]:
    """What was found in a file, with names for the inputs and outputs of a format that has none."""
    sides = ("inputs", "outputs")
    if all(tensor.get("name") is not None for side in sides for tensor in about[side]):
        return about
    manifest = None
    with contextlib.suppress(EdgeshipError):  # another content's tells nothing
        manifest = _manifest(path)
    known = {"inputs": manifest.inputs, "outputs": manifest.outputs} if manifest else {}
    named: dict[str, Any] = {"names": MANIFEST if manifest else "position"}
    for side in sides:
        names = [tensor.name for tensor in known.get(side, ())] or [f"{side[:-1]}_{i}" for i in range(len(about[side]))]
        named[side] = [{**tensor, "name": name} for tensor, name in zip(about[side], names, strict=False)]
    return {**about, **named}


def _beside(path: Path, about: dict[str, Any]) -> list[Path]:
    """The files that a file names as parts of itself; RecipeError for one that does not lie beside it."""
    files = []
    for name in map(Path, about.get("extra_files", ())):
        if name.is_absolute() or ".." in name.parts:
            raise RecipeError(f"{path}: keeps weights outside of its folder, in {name}", "save them beside it")
        if not os.path.isfile(path.parent / name):  # noqa: PTH113 - unlike Path's, it takes any text
            raise RecipeError(f"{path}: {name}, which holds its weights, is not beside it", "copy it there, too")
        files.append(path.parent / name)
    return files


def spec_of(about: dict[str, Any]) -> QuantSpec:
    """The spec that fits what was found in a file; a guess, which the user may overrule."""
    operators = " ".join(about.get("operators", {})).lower()
    if {"int8", "uint8"} & set(about.get("dtypes") or {}):
        return W8A8_DYNAMIC if "dynamic" in operators else W8A8_STATIC
    weights = about.get("weight_bytes") or {}
    if {"int8", "uint8"} & set(weights) and weights.get("int8", 0) > weights.get("float32", 0):
        return W8_WEIGHTS
    return FLOAT16 if weights.get("float16", 0) > weights.get("float32", 0) else FLOAT32


def _tensor(about: dict[str, Any], index: int) -> Tensor:
    sizes = about.get("shape") or ()
    shape = tuple(f"dim_{index}_{axis}" if size is None else size for axis, size in enumerate(sizes))
    return Tensor(
        name=about.get("name") or f"input_{index}",
        dtype=about["dtype"] or "unknown",
        shape=shape,
        quantization=about.get("quantization"),
    )


def random_samples(
    artifact: Artifact,
    sizes: dict[str, int],
    count: int,
    seed: int = 0,
    on_note: Callable[[str], None] = lambda message: None,
) -> Samples:
    """Flagged synthetic inputs: uniform within the artifact's ranges, else normal(0, 1) floats and integers 0 and 1;
    dynamic dimensions take `sizes`, else 1. `on_note` is told of integers whose range is not known.

    Formats without shapes (TorchScript) cannot be given inputs, nor can inputs of a size or type that cannot be:
    RecipeError says how to name them.
    """
    random = np.random.default_rng(seed)
    inputs: dict[str, Array] = {}
    for tensor in artifact.inputs:
        shape = (count, *(sizes.get(size, 1) if isinstance(size, str) else size for size in tensor.shape))
        named = f"{artifact.file}: input {tensor.name}"
        try:
            dtype = np.dtype("float32" if tensor.quantization else tensor.dtype)
        except TypeError:
            raise RecipeError(f"{named}: no inputs can be made of type {tensor.dtype}", NAME_IT) from None
        if min(shape) < 1 or len(shape) > MAX_DIMENSIONS or math.prod(shape) * dtype.itemsize > MAX_SAMPLES_BYTES:
            raise RecipeError(f"{named}: no {count} inputs can be made of shape {list(shape[1:])}", NAME_IT)
        span = artifact.contract.ranges.get(tensor.name)
        if dtype.kind in "iu" and span is None:
            on_note(f"{named} is given 0 and 1: its range is not known ({NAME_IT}[LOW-HIGH])")
        try:
            inputs[tensor.name] = _random(random, shape, dtype, span)
        except (TypeError, ValueError, OverflowError):
            raise RecipeError(
                f"{named}: no {dtype} values can be made up from {span or (0, 1)}", f"{NAME_IT}[LOW-HIGH]"
            ) from None
    if not inputs:
        raise RecipeError(f"{artifact.file}: does not say what inputs it takes", NAME_IT)
    return Samples(inputs, synthetic=True)


def _random(
    random: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any], span: tuple[float, float] | None
) -> Array:
    if dtype.kind != "f":
        low, high = span or (0, 1)
        return random.integers(int(low), int(high), shape, dtype, endpoint=True)
    values = random.standard_normal(shape) if span is None else random.uniform(*span, shape)
    return values.astype(dtype)
