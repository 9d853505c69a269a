"""The user's model: what the recipe says about it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from edgeship.toolchain import artifact
from edgeship.toolchain.plugin import Signature

if TYPE_CHECKING:
    pass

DType = Literal["float32", "float16", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ModelInput(_Table):
    """One input of the model, in the order of its forward()."""

    name: str = Field(min_length=1, description="what data, files and apps call it")
    shape: tuple[int | str, ...] = Field(description="sizes, batch included; a name stands for a dynamic dimension")
    dtype: DType = Field("float32", description="of its values")
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
    inputs: tuple[ModelInput, ...] = Field(min_length=1, description="what forward() takes, in its order")
    outputs: tuple[str, ...] = Field((), description="names of the outputs; left out, the model's own are kept")
    dims: dict[str, tuple[int, int]] = Field(default_factory=dict, description="dynamic dimensions: {seq = [1, 128]}")
    state: dict[str, str] = Field(default_factory=dict, description="streaming: {output = input at the next step}")

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """Input name → its smallest and largest value, where declared."""
        return {value.name: value.range for value in self.inputs if value.range is not None}

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
    return Signature(inputs, outputs, dict(source.dims), dict(source.state), source.ranges)
