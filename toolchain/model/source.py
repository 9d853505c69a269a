"""The user's model: what the recipe says about it, loading it, and what it was made from."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgeship.toolchain import artifact
from edgeship.toolchain.errors import EdgeshipError, ExportError, SourceError
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.references import load_callable, source_file
from edgeship.toolchain.samples import Samples

if TYPE_CHECKING:
    import torch
    from torch import nn

DType = Literal["float32", "float16", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelInput(_Table):
    """One input of the model, in the order of its forward()."""

    name: str = Field(min_length=1)
    shape: tuple[int | str, ...] = Field(description="sizes, batch included; a name stands for a dynamic dimension")
    dtype: DType = "float32"
    keyword: bool = Field(False, description="whether forward() takes it by its name")
    low: float | None = Field(None, description="smallest value of inputs that are made up; 0 beside a `high`")
    high: float | None = Field(
        None, description="largest; integers without data need it, floats are normal(0, 1) without it"
    )

    @property
    def range(self) -> tuple[float, float] | None:
        """Its smallest and largest value, where declared."""
        return None if self.high is None else (self.low or 0.0, self.high)

    @model_validator(mode="after")
    def _range_is_possible(self) -> ModelInput:
        if self.low is not None and self.high is None:
            raise ValueError("`low` needs a `high`")
        if self.range is not None:
            low, high = self.range
            if low > high:
                raise ValueError(f"low = {low:g} is above high = {high:g}")
            if least_and_most := integer_limits(self.dtype):
                least, most = least_and_most
                if low < least or high > most or not low.is_integer() or not high.is_integer():
                    raise ValueError(f"{low:g} to {high:g} are no {self.dtype} values")
        return self


class ModelSource(_Table):
    """The [model] table of a recipe: exactly one of `factory` and `program`, and the inputs."""

    factory: str | None = Field(None, description="'torchvision.models:mobilenet_v3_small', './model.py:build'")
    positional: tuple[Any, ...] = Field((), description="positional arguments of the factory")
    arguments: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of the factory")
    program: Path | None = Field(None, description="a .pt2 that torch.export saved, or a TorchScript .pt")
    weights: Path | None = Field(None, description=".safetensors, or a .pt/.pth/.ckpt checkpoint")
    weights_key: str | None = Field(None, description="place of the state dict in it: 'state_dict', 'ema.model'")
    strip_prefix: str = Field(
        "", description="removed from names in the weights; 'module.' and '_orig_mod.' always are"
    )
    allow_missing: tuple[str, ...] = Field((), description="names the weights may lack; patterns work: 'head.*'")
    allow_unexpected: tuple[str, ...] = Field((), description="names the weights may have besides")
    inputs: tuple[ModelInput, ...] = Field(min_length=1)
    outputs: tuple[str, ...] = Field((), description="names of the outputs; left out, the model's own are kept")
    dims: dict[str, tuple[int, int]] = Field(default_factory=dict, description="dynamic dimensions: {seq = [1, 128]}")
    state: dict[str, str] = Field(default_factory=dict, description="streaming: {output = input at the next step}")

    @model_validator(mode="after")
    def _consistent(self) -> ModelSource:
        problems = [*self._problems_of_source(), *self._problems_of_inputs()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _problems_of_source(self) -> Iterable[str]:
        if (self.factory is None) == (self.program is None):
            yield "give exactly one of `factory` and `program`"
        if self.program is not None and (self.weights or self.arguments or self.positional):
            yield "`weights` and arguments belong to a `factory`: a program has its own"
        if self.program is not None and self.program.suffix not in (".pt2", ".pt", ".ts", ".pth", ".jit"):
            yield f"`program` is a .pt2 or a TorchScript .pt, not {self.program.name}"

    def _problems_of_inputs(self) -> Iterable[str]:
        names = [value.name for value in self.inputs]
        used = {size for value in self.inputs for size in value.shape if isinstance(size, str)}
        for name in {name for name in names if names.count(name) > 1}:
            yield f"two inputs are called {name!r}"
        for name in {name for name in self.outputs if self.outputs.count(name) > 1}:
            yield f"two outputs are called {name!r}"
        for name in set(names) & set(self.outputs):
            yield f"{name!r} is an input and an output: formats want different names"
        if any(
            first.keyword and not second.keyword for first, second in zip(self.inputs, self.inputs[1:], strict=False)
        ):
            yield "inputs with keyword = true come after the positional ones"
        if any(isinstance(size, int) and size < 1 for value in self.inputs for size in value.shape):
            yield "sizes are 1 or more"
        for name in sorted(used - set(self.dims)):
            yield f"dimension {name!r} has no bounds: add dims.{name} = [smallest, largest]"
        for name in sorted(set(self.dims) - used):
            yield f"dims.{name} stands in no input's shape"
        for name, (low, high) in self.dims.items():
            if not 1 <= low < high:
                yield f"dims.{name} = [{low}, {high}]: needs 1 ≤ smallest < largest"
        for output, name in self.state.items():
            if name not in names:
                yield f"state.{output} = {name!r}: there is no such input"
            if self.outputs and output not in self.outputs:
                yield f"state.{output}: there is no such output"


def integer_limits(dtype: str) -> tuple[int, int] | None:
    """The smallest and largest value of an integer type, or None for another."""
    signed = dtype.startswith("int")
    if not signed and not dtype.startswith("uint"):
        return None
    bits = int(dtype.removeprefix("u").removeprefix("int"))
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def declared(source: ModelSource, outputs: tuple[artifact.Tensor, ...] = ()) -> Signature:
    """What the recipe says about a model; its outputs are known once it was loaded."""
    inputs = tuple(artifact.Tensor(name=v.name, dtype=v.dtype, shape=v.shape) for v in source.inputs)
    ranges = {value.name: value.range for value in source.inputs if value.range is not None}
    return Signature(inputs, outputs, dict(source.dims), dict(source.state), ranges)


def load(source: ModelSource, base: Path) -> nn.Module:
    """The model as a flat module in eval mode, weights loaded; relative paths are taken from the folder `base`.

    Raises SourceError, or MissingError for a package that is not installed.
    """
    from edgeship.toolchain.model.program import flatten

    keywords = [value.name for value in source.inputs if value.keyword]
    module = _from_program(source, base) if source.factory is None else from_factory(source, base)
    flat = flatten(module, len(source.inputs) - len(keywords), keywords)
    flat.training = False
    return flat


def from_factory(source: ModelSource, base: Path) -> nn.Module:
    """The factory's own module in eval mode, weights loaded; raises as `load` does."""
    import torch

    from edgeship.toolchain.model.weights import load_weights

    assert source.factory is not None
    factory = load_callable(source.factory, base)
    torch.manual_seed(0)  # what the factory draws at random is the same in every run
    try:
        module = factory(*_resolved(source.positional, base), **_resolved(source.arguments, base))
    except EdgeshipError:
        raise
    except Exception as error:
        raise _factory_failed(source.factory, factory, error) from error
    if not isinstance(module, torch.nn.Module):
        raise SourceError(f"{source.factory} answers a {type(module).__name__}", "it must return an nn.Module")
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        raise SourceError(f"{source.factory}: parameters lie on the meta device", "build the model on the CPU")
    module = module.cpu()
    if source.weights is not None:
        load_weights(
            module,
            base / source.weights,
            source.weights_key,
            source.strip_prefix,
            source.allow_missing,
            source.allow_unexpected,
        )
    module.eval()
    training = [name or "the model" for name, part in module.named_modules() if part.training]
    if training:
        raise SourceError(
            f"{source.factory}: eval() leaves {', '.join(training[:5])} in train mode",
            "its train() or eval() is overridden: let it reach every part",
        )
    return module


def _resolved(arguments: Any, base: Path) -> Any:
    """Strings that begin with ./ or ../ are paths from the recipe's folder."""
    if isinstance(arguments, dict):
        return {name: _resolved(value, base) for name, value in arguments.items()}
    if isinstance(arguments, tuple | list):
        return type(arguments)(_resolved(value, base) for value in arguments)
    return (
        str((base / arguments).resolve()) if isinstance(arguments, str) and arguments[:2] in ("./", "..") else arguments
    )


def _factory_failed(reference: str, factory: Callable[..., Any], error: Exception) -> SourceError:
    import inspect
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    try:
        takes = f"it takes {inspect.signature(factory)}"
    except (TypeError, ValueError):
        takes = "see the log"
    place = f" at {last.filename}:{last.lineno}" if last.filename != __file__ else ""
    return SourceError(f"{reference} failed{place}: {type(error).__name__}: {error}", takes[:400])


def _from_program(source: ModelSource, base: Path) -> nn.Module:
    from torchao.quantization.pt2e import allow_exported_model_train_eval

    from edgeship.toolchain.model import program

    assert source.program is not None
    path = base / source.program
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file", "correct `program`")
    try:
        exported = program.load(path) if path.suffix == ".pt2" else _from_torchscript(source, path)
    except (SourceError, ExportError):
        raise
    except EdgeshipError as error:
        raise SourceError(str(error), error.hint) from error
    if any("quantize" in str(node.target) for node in exported.graph.nodes):
        raise SourceError(f"{path}: this program is quantized already", "give the float program")
    module = exported.module()
    allow_exported_model_train_eval(module)  # as it comes, train() and eval() raise
    module.eval()
    return module


def _from_torchscript(source: ModelSource, path: Path) -> Any:
    import torch

    from edgeship.toolchain.model.program import named_outputs
    from edgeship.toolchain.model.upstream import program_from_torchscript

    try:
        module = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except Exception as error:
        reason = str(error).strip().splitlines()[0][:200]
        raise SourceError(
            f"{path}: not a TorchScript program ({reason})", "save it again with torch.jit.save"
        ) from error
    way_out = "give the Python model it was made from as `factory`, with its weights; or a .pt2 from torch.export"
    try:
        with torch.no_grad():
            exported = program_from_torchscript(module, example(source))
    except Exception as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
        raise ExportError(
            f"{path}: torch cannot convert this TorchScript program ({lines[0][:200]})", way_out
        ) from error
    for seed in (0, 1, 2):  # the converter is experimental: believe only what it computes
        inputs = example(source, seed=seed)
        with torch.no_grad():
            wanted, given = named_outputs(module(*inputs)), named_outputs(exported.module()(*inputs))
        if not all(
            a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-3 * float(a.abs().max()))
            for (_, a), (_, b) in zip(wanted, given, strict=True)
        ):
            raise ExportError(f"{path}: what torch converts this TorchScript program to answers differently", way_out)
    return exported


def example(source: ModelSource, samples: Samples | None = None, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """One set of the model's inputs, in order, batch 1: the first sample, or synthetic values without data.

    Raises SourceError when the sample does not fit the declared inputs.
    """
    import numpy as np
    import torch

    if samples is None or not len(samples):
        generator = torch.Generator().manual_seed(seed)
        return tuple(_synthetic(value, source.dims, generator) for value in source.inputs)
    names = [value.name for value in source.inputs]
    if set(samples.inputs) != set(names):
        raise SourceError(
            f"the data has {', '.join(samples.inputs)}; the model takes {', '.join(names)}", "name the data's arrays so"
        )
    rows = [np.array(samples.inputs[name][0]) for name in names]
    for value, row in zip(source.inputs, rows, strict=True):
        if not _fits(row.shape, value.shape, source.dims) or str(row.dtype) != value.dtype:
            raise SourceError(
                f"input {value.name!r} is declared {value.dtype} {list(value.shape)}, its data is {row.dtype} "
                f"{list(row.shape)}",
                "correct the input's shape and dtype, or the data's preprocessing",
            )
    return tuple(torch.from_numpy(row) for row in rows)


def _fits(shape: tuple[int, ...], declared: tuple[int | str, ...], dims: dict[str, tuple[int, int]]) -> bool:
    if len(shape) != len(declared):
        return False
    bounds = [dims[size] if isinstance(size, str) else (size, size) for size in declared]
    return all(low <= size <= high for size, (low, high) in zip(shape, bounds, strict=True))


def _synthetic(value: ModelInput, dims: dict[str, tuple[int, int]], generator: torch.Generator) -> torch.Tensor:
    import torch

    shape = []
    for axis, size in enumerate(value.shape):
        if isinstance(size, str):
            low, high = dims[size]
            size = low if axis == 0 else min(high, max(low, 16))  # batch 1; long enough elsewhere to be typical
        shape.append(size)
    dtype = getattr(torch, value.dtype)
    if dtype.is_floating_point and value.range is None:
        return torch.randn(shape, generator=generator).to(dtype)
    smallest, largest = value.range or (0.0, 1.0)
    if dtype.is_floating_point:
        return (torch.rand(shape, generator=generator) * (largest - smallest) + smallest).to(dtype)
    return torch.randint(int(smallest), int(largest) + 1, shape, generator=generator).to(dtype)


def signature(
    source: ModelSource,
    module: nn.Module,
    example: tuple[torch.Tensor, ...],
    warn: Callable[[str], None] = lambda message: None,
) -> Signature:
    """Names, shapes and dtypes of inputs and outputs, outputs found by calling the flat `module`.

    A dynamic dimension is followed into the outputs by calling with two sizes; an output size that follows from one
    is named `<output>_<axis>`. Raises SourceError when a call fails or its answers are of no use.
    """
    from edgeship.toolchain.model import soundness
    from edgeship.toolchain.model.shapes import output_shapes

    values = soundness.call(module, example)
    names = source.outputs or tuple(name for name, _ in values)
    if len(names) != len(values):
        own = ", ".join(name for name, _ in values)
        raise SourceError(f"`outputs` names {len(names)} outputs, the model has {len(values)}: {own}", "name each")
    named = [(name, value) for name, (_, value) in zip(names, values, strict=True)]
    soundness.check(module, example, named, warn)
    soundness.check_branches(module, warn)
    clash = set(names) & {value.name for value in source.inputs}
    if clash:
        raise SourceError(
            f"an input and an output are called {', '.join(sorted(clash))}", "give the outputs names with `outputs`"
        )
    if unknown := set(source.state) - set(names):
        raise SourceError(f"state: there is no output {', '.join(sorted(unknown))}", f"outputs: {', '.join(names)}")
    shapes = output_shapes(source, module, example, names, values)
    outputs = tuple(
        artifact.Tensor(name=name, dtype=str(value.dtype).removeprefix("torch."), shape=shape)
        for name, (_, value), shape in zip(names, values, shapes, strict=True)
    )
    return declared(source, outputs)


def code_files(source: ModelSource, base: Path) -> list[Path]:
    """The user's Python files that loading the model imported: call it in the process that called `load`."""
    folders = {base.resolve()}
    if source.factory is not None:
        if file := source_file(source.factory, base):
            folders.add(file.parent)
        elif origin := getattr(sys.modules.get(source.factory.partition(":")[0].partition(".")[0]), "__file__", None):
            folders.add(Path(origin).resolve().parent)
    files = {Path(file).resolve() for m in list(sys.modules.values()) if (file := getattr(m, "__file__", None))}
    return sorted(
        file
        for file in files
        if file.suffix == ".py"
        and not {"site-packages", "dist-packages"} & set(file.parts)
        and any(file.is_relative_to(folder) for folder in folders)
    )


def identity(
    source: ModelSource,
    base: Path,
    code: Iterable[Path] = (),
    digest: Callable[[Path], str] = artifact.digest,
) -> dict[str, Any]:
    """What the loaded model depends on, for a cache key; torch is not imported.

    `code` is what `code_files` answered at the first build; `digest` may be a cached one. A file that is gone has the
    digest 'missing'. Paths are relative to `base` where they lie in it.
    """

    def entry(path: Path) -> tuple[str, str]:
        name = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name
        return name, digest(path) if path.is_file() else "missing"

    files = [base / path for path in (source.weights, source.program) if path is not None]
    files += [file for file in (source_file(source.factory, base) if source.factory else None,) if file]
    return {
        "model": source.model_dump(mode="json", exclude={"weights", "program"}),
        "files": dict(sorted(entry(path) for path in files)),
        "code": dict(sorted(entry(path) for path in code)),
        "packages": _package_versions(source),
    }


def provenance(source: ModelSource, base: Path) -> dict[str, Any]:
    """`identity` with the code files of this process, and one digest over all of it; call it after `load`."""
    import json

    about = identity(source, base.resolve(), code_files(source, base))
    about["digest"] = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return about


def _package_versions(source: ModelSource) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    names = {"torch"}
    if source.factory is not None and source_file(source.factory, Path()) is None:
        names.add(source.factory.partition(":")[0].partition(".")[0])
    versions = {}
    for name in sorted(names):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # the distribution has another name than its package; or it is a user's folder
            versions |= {found: version(found) for found in packages_distributions().get(name, [])}
    return versions
