"""What an outsider subclasses: a plugin is its own validated options plus one method."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain.artifact import Artifact, Contract, Tensor
from edgeship.toolchain.link import Link
from edgeship.toolchain.quant import FLOAT32, QuantSpec
from edgeship.toolchain.runtime import RuntimeInfo
from edgeship.toolchain.samples import Array, Samples

if TYPE_CHECKING:
    from torch import Tensor as TorchTensor
    from torch import nn
    from torch.export import ExportedProgram


Need = Literal["calibration", "training", "evaluation"]


@dataclass(frozen=True)
class Signature:
    """A model's inputs and outputs in positional order, and the state that goes out of one call into the next."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    dims: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Each named dimension's smallest and largest size."""
    state: dict[str, str] = field(default_factory=dict)
    """Output name → the input name that takes it at the next step."""
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Input name → its smallest and largest value, where the recipe says so."""

    @property
    def is_dynamic(self) -> bool:
        """Whether any input dimension may vary."""
        return any(isinstance(size, str) for tensor in self.inputs for size in tensor.shape)


@dataclass(frozen=True)
class Context:
    """What a pass or a target may use besides the model itself."""

    signature: Signature
    spec: QuantSpec = FLOAT32
    """What the numbers of the program taken in are."""
    scratch: Path = Path()
    """A folder of this stage that survives a kill: checkpoints of long work; removed when the stage is done."""
    example: tuple[TorchTensor, ...] = ()
    """One real (or, without data, synthetic) set of positional inputs, batch 1."""
    calibration: Samples | None = None
    training: Samples | None = None
    evaluation: Samples | None = None
    teacher: Callable[[], nn.Module] | None = None
    """Loads the float model as it was before any pass, in eval mode."""
    warn: Callable[[str], None] = lambda message: None
    progress: Callable[[str], None] = lambda message: None
    """Says where long work is: 'epoch 3 of 8'."""


class Plugin(BaseModel):
    """Base of every plugin: pydantic fields are its options, and their descriptions the options' documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    version: ClassVar[int] = 1
    """Bump when the plugin's meaning changes: it enters the cache key."""
    packages: ClassVar[tuple[str, ...]] = ()
    """Distributions it imports: checked before the run, their versions enter the cache key."""
    extra: ClassVar[str] = ""
    """The edgeship extra that installs `packages`."""
    needs: ClassVar[frozenset[Need]] = frozenset()
    """Data that must be declared in the recipe."""

    def references(self) -> tuple[str, ...]:
        """The user's functions that it calls (`./file.py:function`): looked up before the run."""
        return ()


class Pass(Plugin):
    """Something done to a model before it is exported to a target."""

    def spec(self, before: QuantSpec) -> QuantSpec:
        """What the program's numbers are afterwards; ValueError when this pass cannot follow `before`."""
        return before


class ModulePass(Pass):
    """Works on the nn.Module, before torch.export."""

    def apply(self, module: nn.Module, context: Context) -> nn.Module:
        """Return the changed module (may be the same object), in eval mode."""
        raise NotImplementedError

    def save(self, module: nn.Module, folder: Path) -> None:
        """Store what `restore` needs; override together with it where shapes change."""
        from safetensors.torch import save_model

        save_model(module, str(folder / "module.safetensors"))

    def restore(self, module: nn.Module, folder: Path, context: Context) -> nn.Module:
        """Repeat this pass on a module as `apply` got it, from what `save` stored."""
        from safetensors.torch import load_model

        load_model(module, str(folder / "module.safetensors"))
        return module


class ModuleToProgramPass(Pass):
    """Trains or prepares a module and ends in an exported program (QAT)."""

    def apply(self, module: nn.Module, context: Context) -> ExportedProgram:
        """Return the program; all later passes work on programs."""
        raise NotImplementedError


class ProgramPass(Pass):
    """Works on the ExportedProgram."""

    def apply(self, program: ExportedProgram, context: Context) -> ExportedProgram:
        """Return the changed program with the same inputs and outputs."""
        raise NotImplementedError


class Target(Plugin):
    """Makes one runtime's file from the one stored program."""

    format: ClassVar[str] = ""
    runtime: ClassVar[RuntimeInfo | None] = None
    """The runtime that executes its files; None where another target declares it."""
    row_scales: ClassVar[bool] = False
    """Whether its runtime chooses the scales of dynamic activations per row, where the program has one per tensor."""
    dynamic_dims: ClassVar[bool] = True
    """Whether it honours dimensions declared dynamic."""

    def schemes(self) -> frozenset[str]:
        """QuantSpec.scheme names it can carry with these options; any other is 'unsupported', known before the run."""
        return frozenset()

    def unsupported(self, spec: QuantSpec, dynamic: bool) -> str | None:
        """Why this pair cannot be made, or None; asked before anything runs."""
        for part in spec.each:
            if part.scheme not in (schemes := self.schemes()):
                return f"{part} is not something {self.format} carries (it carries {', '.join(sorted(schemes))})"
        if dynamic and not self.dynamic_dims:
            return f"{self.format} cannot keep dynamic dimensions"
        return None

    def warm_up(self) -> None:
        """Import what `export` needs and takes seconds to import: a worker does so until the first program is ready."""

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        """Write the file(s) into the empty folder `out` and describe them; artifact.json is written by the caller."""
        raise NotImplementedError


@dataclass(frozen=True)
class Findings:
    """What an analysis decided for the pass it was asked about."""

    options: dict[str, Any]
    """Options of the pass, as a recipe would give them."""
    reasons: tuple[str, ...]
    """What they rest on, for a person: one line each."""


class Analysis(Plugin):
    """Measures a program to decide options of the pass that takes it next.

    `edgeship tune` asks it and writes what it decides into the lock beside the recipe, which builds read.
    """

    variant: str = Field(description="the variant one of whose passes it decides about")
    step: int = Field(0, ge=0, description="which of the variant's passes, from 0")
    model: str | None = Field(None, description="the model to look at, where the recipe has several")

    def decide(self, program: ExportedProgram, context: Context) -> Findings:
        """Look at the program that the pass will take; `context` holds the data it needs."""
        raise NotImplementedError


class Device(Plugin):
    """Something that executes artifacts: options that say where it is and how it is reached."""

    counts: ClassVar[bool] = False
    """Whether it is an emulated CPU: it verifies and counts instructions, and has neither time nor memory."""

    def open(self) -> AbstractContextManager[Link]:
        """The way to it, this run's alone until it is closed; DeviceError when it cannot be reached or is taken."""
        raise NotImplementedError


class Dataset(Plugin):
    """A source of representative samples."""

    def read(self, signature: Signature, limit: int | None) -> Samples:
        """All samples, or the first `limit` where reading is costly; DataError names the place and remedy."""
        raise NotImplementedError

    def check(self, signature: Signature) -> None:
        """DataError for what cannot fit these inputs, as far as it is known before anything is read."""

    def contract(self, signature: Signature) -> Contract:
        """How its samples were made into inputs and what its labels are called: what an app must do, too."""
        return Contract()

    def contract_files(self) -> dict[str, bytes]:
        """The files that its contract names, by their place beside the artifact."""
        return {}

    def files(self) -> list[Path]:
        """The files it reads, for the cache key (path, size and mtime are mapped to a digest)."""
        return []


class Metric(Plugin):
    """A task metric; higher is better."""

    def check(self, outputs: tuple[str, ...]) -> None:
        """DataError for what cannot be scored on a model with these outputs; asked where a recipe names them."""

    def score(self, outputs: dict[str, Array], labels: Array | None, reference: dict[str, Array]) -> Array:
        """One score per sample, [n] float64 (a hit is 1.0); `outputs` and `reference` (the float model's) are
        [n, *output shape] by output name."""
        raise NotImplementedError

    def files(self) -> list[Path]:
        """The user's files it reads or runs, for the key of remembered verdicts."""
        return []

    def chance(self, reference: dict[str, Array], labels: Array | None) -> float | None:
        """The score of guessing, or None where there is no such thing."""
        return None
