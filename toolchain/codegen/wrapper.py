"""What a bundle's wrapper takes, does and answers, whatever its language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from edgeship.toolchain.artifact import AudioInput, ImageInput, Tensor, TextInput
from edgeship.toolchain.bundle.manifest import Manifest, Shipped
from edgeship.toolchain.codegen.names import check_class, check_files, check_names
from edgeship.toolchain.errors import RecipeError

Kind = Literal["picture", "sound", "text", "tensor"]
LEVELS = ("disable", "basic", "extended", "all")


@dataclass(frozen=True)
class Parameter:
    """Something that an app has; it becomes one input, a text all that a tokenizer gives."""

    name: str
    kind: Kind
    said: ImageInput | AudioInput | TextInput | Tensor
    dtype: str
    """Of what it becomes."""

    @property
    def method(self) -> str:
        """Of its declaration, that makes it."""
        return "bytes" if self.dtype == "uint8" else "apply"


@dataclass(frozen=True)
class Source:
    """Where an input comes from."""

    tensor: Tensor
    parameter: Parameter
    output: str
    """Of a tokenizer; empty for all others."""
    batched: bool
    """Whether a first dimension of 1 is put before it."""


@dataclass(frozen=True)
class GoldenOutput:
    """What an artifact answered to the golden samples: a file of the bundle by the name that it has in use."""

    path: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Made:
    """One artifact of the bundle."""

    name: str
    runtime: str
    entry: str
    options: dict[str, str]
    """Entries of the runtime's configuration."""
    optimization: str
    """Of the graph: disable, basic, extended, all."""
    libraries: tuple[str, ...]
    """Of custom operators, beside the entry."""
    min_sqnr_db: float
    golden: tuple[GoldenOutput, ...]


@dataclass(frozen=True)
class Wrapper:
    """One class."""

    name: str
    """Of the class: UpperCamelCase."""
    bundle: str
    version: int
    artifacts: tuple[Made, ...]
    parameters: tuple[Parameter, ...]
    sources: tuple[Source, ...]
    """By input, in the model's order."""
    outputs: tuple[Tensor, ...]
    labels: tuple[str, ...]
    scores: str | None
    """The output with one value per class."""
    logits: bool
    """Whether its softmax is their probability."""
    probabilities: bool
    """Whether they are told as probabilities: so is the softmax of logits."""
    samples: int
    golden_inputs: tuple[GoldenOutput, ...]

    @property
    def text(self) -> TextInput | None:
        """The text that it takes."""
        return next((one.said for one in self.parameters if isinstance(one.said, TextInput)), None)

    @property
    def kinds(self) -> set[Kind]:
        """Of its parameters."""
        return {parameter.kind for parameter in self.parameters}


def wrapper(manifest: Manifest, name: str | None) -> Wrapper:
    """The wrapper of a bundle, called `name` or after it; RecipeError for what no wrapper can be written of."""
    check_names(manifest)
    first, *others = (_as_given(manifest, one) for one in manifest.artifacts)
    for other in others:
        for what in ("inputs", "outputs"):
            if [_about(one) for one in getattr(first, what)] != [_about(one) for one in getattr(other, what)]:
                raise RecipeError(
                    f"{manifest.name}: the {what} of {first.name} and {other.name} are not the same",
                    "bundle them one by one: --target names what goes in",
                )
    if quantized := [one.name for one in (*first.inputs, *first.outputs) if one.quantization]:
        raise RecipeError(f"{', '.join(quantized)}: not float but quantized", "leave inputs and outputs in float")
    class_name = name or _camel(manifest.name)
    check_class(class_name)
    parameters = _parameters(manifest, first)
    check_files(one.name for one in parameters if one.kind != "tensor")
    paths = {file.sha256: file.path for file in manifest.golden.files}

    def golden(tensors: list[Tensor], numbers: dict[str, GoldenOutput]) -> tuple[GoldenOutput, ...]:
        return tuple(numbers[tensor.name] for tensor in tensors)

    inputs = {key: GoldenOutput(paths[one.sha256], tuple(one.shape)) for key, one in manifest.golden.inputs.items()}
    made = []
    for one in manifest.artifacts:
        answers = {
            key: GoldenOutput(paths[tensor.sha256], tuple(tensor.shape))
            for key, tensor in manifest.golden.outputs[one.name].items()
        }
        told = one.runtime.options
        made.append(
            Made(
                name=one.name,
                runtime=one.runtime.name,
                entry=one.entry,
                options={str(key): str(value) for key, value in told.get("config", {}).items()},
                optimization=_level(one.name, told.get("graph_optimization", "all")),
                libraries=tuple(map(str, told.get("custom_op_libraries", []))),
                min_sqnr_db=one.min_sqnr_db,
                golden=golden(one.outputs, answers),
            )
        )
    contract, scores = manifest.contract, _scores(manifest, first)
    return Wrapper(
        name=class_name,
        bundle=manifest.name,
        version=manifest.version,
        artifacts=tuple(made),
        parameters=tuple(parameters),
        sources=tuple(_source(tensor, parameters) for tensor in first.inputs),
        outputs=tuple(first.outputs),
        labels=contract.labels if scores else (),
        scores=scores,
        logits=scores is not None and scores == contract.logits,
        probabilities=scores is not None and scores in (contract.logits, contract.probabilities),
        samples=manifest.golden.samples,
        golden_inputs=golden(first.inputs, inputs),
    )


def _level(name: str, level: object) -> str:
    if level not in LEVELS:
        raise RecipeError(f"{name}: graph_optimization is {level}", f"ONNX Runtime has {', '.join(LEVELS)}")
    return str(level)


def _as_given(manifest: Manifest, artifact: Shipped) -> Shipped:
    """A file with its inputs as the golden samples have them: Core ML's make int32 of all whole numbers, as does its
    engine.
    """
    if artifact.runtime.name != "coreml":
        return artifact
    golden = manifest.golden.inputs
    inputs = [
        one.model_copy(update={"dtype": golden[one.name].dtype}) if one.dtype == "int32" else one
        for one in artifact.inputs
    ]
    return artifact.model_copy(update={"inputs": inputs})


def _about(tensor: Tensor) -> tuple[str, str, tuple[int | str, ...]]:
    """Of a tensor what a wrapper rests on; a dimension that one file fixes and another leaves open may be 1 in both."""
    return tensor.name, tensor.dtype, tuple(1 if isinstance(size, str) else size for size in tensor.shape)


def _parameters(manifest: Manifest, artifact: Shipped) -> list[Parameter]:
    """One for each input, but one for all inputs that a tokenizer makes of a text."""
    found: list[Parameter] = []
    for tensor in artifact.inputs:
        said = manifest.contract.inputs.get(tensor.name)
        if isinstance(said, TextInput) and said.wordpiece is not None:
            if any(isinstance(one.said, TextInput) for one in found):
                continue
            found.append(Parameter("text", "text", said, "int64"))
        elif isinstance(said, ImageInput):
            stored = tensor.dtype == "uint8" and said.keeps_bytes
            found.append(Parameter(tensor.name, "picture", said, "uint8" if stored else "float32"))
        elif isinstance(said, AudioInput):
            found.append(Parameter(tensor.name, "sound", said, "float32"))
        else:
            found.append(Parameter(tensor.name, "tensor", tensor, tensor.dtype))
    return found


def _source(tensor: Tensor, parameters: list[Parameter]) -> Source:
    own = next((one for one in parameters if one.name == tensor.name and one.kind != "text"), None)
    parameter = own or next(one for one in parameters if one.kind == "text")
    if parameter.kind == "tensor":
        return Source(tensor, parameter, "", False)
    if tensor.dtype != parameter.dtype:
        stored = ", or uint8 of scale 1, mean 0, std 1 and layout hwc" if parameter.kind == "picture" else ""
        raise RecipeError(
            f"{tensor.name} is {tensor.dtype}: a {parameter.kind} becomes {parameter.dtype}{stored}",
            "leave the conversion to the model" + (", or to [contract] in_graph = true" if stored else ""),
        )
    extra = len(tensor.shape) - (3 if parameter.kind == "picture" else 1)
    if extra not in (0, 1) or (extra and tensor.shape[0] not in (1, *(n for n in tensor.shape if isinstance(n, str)))):
        raise RecipeError(
            f"{tensor.name} {list(tensor.shape)} takes no single {parameter.kind}", "export it for batch 1"
        )
    return Source(tensor, parameter, tensor.name if parameter.kind == "text" else "", extra == 1)


def _scores(manifest: Manifest, artifact: Shipped) -> str | None:
    """The output that labels belong to."""
    contract = manifest.contract
    if named := contract.logits or contract.probabilities:
        return named
    return artifact.outputs[0].name if contract.labels and len(artifact.outputs) == 1 else None


def _camel(text: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in re.split("[^A-Za-z0-9]+", text))
