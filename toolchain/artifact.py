"""Artifact: the files a target made and their manifest artifact.json."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from edgeship.toolchain.errors import EdgeshipError

MANIFEST = "artifact.json"
Interpolation = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Quantization(_Record):
    """real = scale * (stored - zero_point), for an input or output that is not float."""

    scale: float
    zero_point: int


class Tensor(_Record):
    """One input or output; a dimension that may vary is its name, a fixed one its size."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    quantization: Quantization | None = None


class Backend(_Record):
    """One that computes nodes of the file, with the options it was chosen with."""

    name: str
    options: dict[str, Any] = Field(default_factory=dict)


class Runtime(_Record):
    """What executes the file: `name` as in bench-result/1 (executorch, onnxruntime, litert, coreml, coreai, torch)."""

    name: str
    minimum_version: str
    options: dict[str, Any] = Field(
        default_factory=dict, description="what this file needs of it, as bench-job/1's runtime.options"
    )
    backends: tuple[Backend, ...] = Field(
        (Backend(name="cpu"),), min_length=1, description="in the order in which they were offered the nodes"
    )

    @property
    def backend(self) -> str:
        """Their names as one, as jobs and results have it: 'vulkan+xnnpack'."""
        return "+".join(backend.name for backend in self.backends)


class Placement(_Record):
    """Which backend takes how many nodes: of an artifact as it was lowered, of a result as the runtime tells."""

    per_backend: dict[str, int] = Field(
        default_factory=dict, description="nodes by the backend that takes them, in the order they were offered"
    )
    left: int | None = Field(None, description="nodes left to the runtime's own kernels; absent: unknown")
    left_ops: dict[str, int] = Field(default_factory=dict, description="the operators among those")
    partitions: int | None = None
    source: Literal["runtime", "profile", "plan", "log"] | None = Field(None, description="who tells; absent: the file")

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_agents(cls, value: Any) -> Any:
        """What agents wrote before: `backends` as a list, and one count for all of them."""
        if not isinstance(value, dict) or not value.keys() & {"backends", "nodes_total", "nodes_delegated", "fallback"}:
            return value
        kept = {key: value[key] for key in ("partitions", "source") if key in value}
        total, taken = value.get("nodes_total"), value.get("nodes_delegated")
        if taken is not None:
            kept["per_backend"] = {"+".join(value.get("backends") or ["delegate"]): taken}
        return {**kept, "left": total - taken} if total is not None and taken is not None else kept

    @property
    def taken(self) -> int:
        """Nodes that some backend takes."""
        return sum(self.per_backend.values())


class ConstantsAudit(_Record):
    """The constants of the program, looked for in the file: integer weights, biases, scales, zero points, floats."""

    total: int = Field(description="the program's constants, and those of the file that the program does not explain")
    accounted: int = Field(description="those that are in both, exactly or as the target recomputes them")
    faults: tuple[str, ...] = Field((), description="the first five of the others, with their place")

    def __str__(self) -> str:
        return f"{self.accounted} of {self.total} constants accounted for"


class PluginUse(_Record):
    """A plugin that took part, and its options."""

    name: str
    options: dict[str, Any]


class Provenance(_Record):
    """What an artifact was made from and with."""

    model: str = Field(description="digest of the float model: its code, weights and options")
    passes: tuple[PluginUse, ...]
    target: PluginUse
    edgeship: str = Field(description="its version")
    libraries: dict[str, str] = Field(description="versions of the libraries that took part")


class ImageInput(_Record):
    """How a picture becomes an input: resize → centre crop → colour order → × scale → (− mean) / std → layout."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    resize: int | tuple[int, int] | None = Field(
        None, description="pixels of the shorter side (the picture keeps its proportions), or [height, width]"
    )
    crop: tuple[int, int] | None = Field(None, description="[height, width] cut from the centre; black where it ends")
    interpolation: Interpolation = Field("bilinear", description="Pillow's filter, with antialiasing")
    colour: Literal["rgb", "bgr", "grey"] = Field("rgb", description="order of the channels; grey has one")
    scale: float = Field(1 / 255, description="factor that stored values 0–255 are multiplied with")
    mean: tuple[float, ...] = Field((0.0,), description="subtracted after scaling, one value or one per channel")
    std: tuple[float, ...] = Field((1.0,), description="divided by after that, one value or one per channel")
    layout: Literal["chw", "hwc"] = Field("chw", description="channels first (PyTorch) or last")

    @field_validator("std")
    @classmethod
    def _divides(cls, std: tuple[float, ...]) -> tuple[float, ...]:
        if any(value <= 0 for value in std):
            raise ValueError("std must be above zero: pictures are divided by it")
        return std

    @field_validator("resize", "crop")
    @classmethod
    def _has_pixels(cls, size: int | tuple[int, int] | None) -> int | tuple[int, int] | None:
        if size is not None and min(size if isinstance(size, tuple) else (size,)) < 1:
            raise ValueError("sizes are 1 or more")
        return size

    @model_validator(mode="after")
    def _fits_its_channels(self) -> ImageInput:
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, self.channels):
                count = f"{self.channels} channel{'s' if self.channels > 1 else ''}"
                raise ValueError(
                    f"{name} has {len(values)} values, {self.colour} has {count}: give one, or one for each"
                )
        return self

    @property
    def keeps_bytes(self) -> bool:
        """Whether its numbers are the stored values as they lie, [height, width, channels]."""
        return self.scale == 1 and not any(self.mean) and set(self.std) == {1} and self.layout == "hwc"

    @property
    def channels(self) -> int:
        """How many numbers a pixel has."""
        return 1 if self.colour == "grey" else 3


class WordPiece(_Record):
    """A BERT tokenizer in plain data: characters are replaced by a table, words parted and cut into known pieces."""

    vocabulary: str = Field(
        "contract/vocabulary.txt", description="one token per line, parted by line feeds alone; its number is its id"
    )
    characters: str = Field("contract/characters.txt", description="what becomes of each character: docs/codegen.md")
    unknown: str = Field("[UNK]", description="in place of a word with a piece that is not known")
    start: str = Field("[CLS]", description="before the text")
    end: str = Field("[SEP]", description="after the text, and after its pair")
    padding: str = Field("[PAD]", description="after that, up to the length")
    continuation: str = Field("##", description="what pieces begin with that do not begin a word")
    longest_word: int = Field(100, description="characters; a longer word is unknown")
    special: tuple[str, ...] = Field((), description="tokens that are taken as they stand in a text, and never changed")


class TextInput(_Record):
    """How a text becomes an input: which of a tokenizer's outputs it takes, padded or cut to one length."""

    tokenizer: str = Field(description="its name in the recipe, without the machine's folders")
    max_length: int
    output: str = Field(description="input_ids, attention_mask, token_type_ids")
    wordpiece: WordPiece | None = Field(
        None, description="the tokenizer as an app can have it; absent: it is no WordPiece, bring it yourself"
    )


class AudioInput(_Record):
    """How sound becomes an input: one channel of samples, cut into frames, × scale, each frame centred and levelled."""

    sample_rate_hz: int = Field(gt=0, description="of the samples")
    frame: int = Field(gt=0, description="samples of one input")
    scale: float = Field(1.0, description="factor of samples, which lie between -1 and 1")
    centre: bool = Field(False, description="whether each frame's mean is subtracted")
    level: bool = Field(False, description="whether each frame is divided by its standard deviation after that")


class Contract(_Record):
    """What an app must do around the file: make its inputs as the calibration data was made, and name its classes."""

    inputs: dict[str, ImageInput | TextInput | AudioInput] = Field(
        default_factory=dict, description="by input name; an input that is missing takes the model's own numbers"
    )
    labels: tuple[str, ...] = Field((), description="the classes, in the order of the output's values")
    logits: str | None = Field(
        None, description="the output with one value per class whose softmax is their probability; absent: none is"
    )
    probabilities: str | None = Field(None, description="the output whose values are probabilities by themselves")
    ranges: dict[str, tuple[float, float]] = Field(
        default_factory=dict,
        description="by input name, its smallest and largest valid value where the recipe says so",
    )
    files: dict[str, str] = Field(
        default_factory=dict, description="digests of files that belong to it, by their place beside the artifact"
    )


class Artifact(_Record):
    """One deliverable of one target; `file` is relative to the folder of artifact.json (.mlpackage is a folder)."""

    format: str = Field(description="executorch, onnx, litert, coreml, coreai, torchscript, torchscript_lite, torch")
    file: str
    extra_files: tuple[str, ...] = Field((), description="external weights that must travel with `file`")
    spec: str = Field(description="quantization spec, see edgeship.toolchain.quant")
    runtime: Runtime
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    size_bytes: int
    sha256: str = Field(description="of `file`")
    extra_sha256: dict[str, str] = Field(default_factory=dict, description="of each of `extra_files`, by its name")
    dtypes: dict[str, int] | None = Field(
        description="operators that compute in each dtype, as found in the file: {'int8': 52, 'float32': 3}; "
        "null: unknown"
    )
    float_operators: dict[str, int] | None = Field(
        None, description="operators that compute in float by name, of a file of integers too; null: not told"
    )
    rounds_activations: bool = Field(
        False, description="whether the runtime rounds activations that the program keeps in float"
    )
    weight_bytes: dict[str, int] | None = Field(None, description="bytes of constants per dtype; null: unknown")
    constants: ConstantsAudit | None = Field(None, description="absent: nothing here reads the file's constants")
    placement: Placement | None = None
    reproducible: bool = Field(True, description="whether building twice gives the same bytes")
    notes: tuple[str, ...] = Field((), description="what a user must know about this file")
    details: dict[str, Any] = Field(
        default_factory=dict, description="what only this target tells: opset, kernels, planned bytes"
    )
    contract: Contract = Field(default_factory=Contract, description="what an app must do around the file")
    provenance: Provenance | None = None


def digest(path: Path) -> str:
    """SHA-256 of a file; of a folder, over its sorted relative paths and contents."""
    sha = hashlib.sha256()
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    for file in files:
        if path.is_dir():
            sha.update(file.relative_to(path).as_posix().encode() + b"\0")
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                sha.update(block)
    return sha.hexdigest()


def size_bytes(path: Path) -> int:
    """Bytes of a file or of all files below a folder."""
    return path.stat().st_size if path.is_file() else sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def write(artifact: Artifact, folder: Path) -> None:
    """Write artifact.json, with the digests of extra files, into the folder that holds the artifact's files."""
    extra = {name: digest(folder / name) for name in artifact.extra_files}
    artifact = artifact.model_copy(update={"extra_sha256": extra})
    (folder / MANIFEST).write_text(artifact.model_dump_json(indent=2, exclude_defaults=False) + "\n")


def read(folder: Path) -> Artifact:
    """Read artifact.json and check that its files are those it describes; EdgeshipError when it is not."""
    manifest = folder / MANIFEST
    try:
        artifact = Artifact.model_validate(json.loads(manifest.read_text()))
    except (OSError, ValueError, RecursionError) as error:
        raise EdgeshipError(f"{manifest}: not a readable artifact manifest ({error})", "build it again") from error
    belonging = {**artifact.extra_sha256, **artifact.contract.files}
    for name, expected in {artifact.file: artifact.sha256, **belonging}.items():
        file = folder / name
        inside = not Path(name).is_absolute() and ".." not in Path(name).parts
        if not inside or not file.exists() or digest(file) != expected:
            raise EdgeshipError(f"{file}: is not the file that {MANIFEST} describes", "build it again")
    return artifact
