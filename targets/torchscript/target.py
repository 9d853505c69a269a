"""The TorchScript target: a frozen .pt, or a .ptl for the lite interpreter of phones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from edgeship.targets.torchscript.archive import clean
from edgeship.targets.torchscript.engines import Engine, engine_of, onednn_saturates, selected
from edgeship.targets.torchscript.graph import compute_dtypes, stored_tensors
from edgeship.targets.torchscript.runtime import RUNTIME
from edgeship.toolchain.api import (
    FLOAT16,
    Artifact,
    Backend,
    Context,
    ExportError,
    QuantSpec,
    Runtime,
    RuntimeInfo,
    Signature,
    Target,
    digest,
    first_line,
    folded,
    size_bytes,
)

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import GraphModule

REFERENCE = "int8 in reference arithmetic: every operator computes in float32; for comparison only"
SELECT = (
    "made for onednn's kernels: set torch.backends.quantized.engine = 'onednn' before loading it; "
    "torch's own choice on x86 saturates"
)
NO_VNNI = (
    "this processor has no VNNI, without which onednn's int8 products saturate: made for qnnpack, which is exact and "
    "slower; for servers with VNNI build it on one, or choose engine = 'onednn'"
)
INEXACT = "this processor has no VNNI: onednn's int8 products saturate here, not on processors that have it"
NO_MOBILE_PASSES = "torch here is built without XNNPACK: optimize_for_mobile was left out, the file is frozen only"


class TorchScript(Target):
    """Torch's own file format, executed by libtorch or (lite) by PyTorch Mobile."""

    packages: ClassVar[tuple[str, ...]] = ("torch", "torchao")
    runtime: ClassVar[RuntimeInfo | None] = RUNTIME
    format: ClassVar[str] = "torchscript"
    version: ClassVar[int] = 2

    lite: bool = Field(False, description="write a .ptl for the lite interpreter")
    method: Literal["trace", "script"] = Field("trace", description="how torch records the program")
    engine: Literal["default", "qnnpack", "onednn", "x86", "reference"] = Field(
        "default",
        description="int8 kernels that the file is made for, judged and timed with; default: qnnpack for a .ptl (what "
        "phones have), onednn for a .pt, qnnpack where onednn saturates (x86 without VNNI). x86 is torch's own choice "
        "on servers: its 16-bit sums saturate on processors without VNNI and in depthwise convolutions; reference: "
        "float arithmetic, for comparison",
    )

    def schemes(self) -> frozenset[str]:
        """What it carries."""
        return frozenset({"float32", "w8a8-static", "w8a8-dynamic"})

    def unsupported(self, spec: QuantSpec, dynamic: bool) -> str | None:
        """Smaller weights beside float arithmetic do not survive freezing."""
        if spec.has("weights") or FLOAT16 in spec.each:
            return f"freezing turns {spec} back into float32 weights, and phones' torch has no kernels for it"
        return super().unsupported(spec, dynamic)

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        """Write model.pt or model.ptl; ExportError when it cannot be recorded or answers something else."""
        import torch

        notes: list[str] = []
        integers = self._in_integers(context.spec)
        engine = engine_of(self.engine, self.lite, onednn_saturates()) if integers else None
        if context.spec.is_integer and engine is None:
            context.warn(REFERENCE)
            notes.append(REFERENCE)
        if engine == "onednn":
            notes.append(SELECT)
        if engine and not self.lite and onednn_saturates() and self.engine in ("default", "onednn"):
            notes.append(INEXACT if engine == "onednn" else NO_VNNI)
        with selected(engine) if engine else nullcontext():
            file, script = self._write(program, engine, out, context, notes)
        weights: Counter[str] = Counter()
        for _, dtype, size in stored_tensors(script.graph):
            weights[dtype] += size
        version = torch.__version__.split("+")[0]
        return Artifact(
            format="torchscript_lite" if self.lite else "torchscript",
            file=file.name,
            spec=str(context.spec),
            runtime=Runtime(name="torch", minimum_version=version, backends=(Backend(name=engine or "cpu"),)),
            inputs=context.signature.inputs,
            outputs=context.signature.outputs,
            size_bytes=size_bytes(file),
            sha256=digest(file),
            dtypes=compute_dtypes(script.graph, [tensor.dtype for tensor in context.signature.inputs]),
            weight_bytes=dict(weights),
            notes=tuple(notes),
            details={"torch": version, "method": self.method, "frozen": True},
        )

    def _in_integers(self, spec: QuantSpec) -> bool:
        return spec.is_integer and self.engine != "reference"

    def _write(
        self, program: ExportedProgram, engine: Engine | None, out: Path, context: Context, notes: list[str]
    ) -> tuple[Path, torch.jit.ScriptModule]:
        """The file, and the program in it; `notes` are told what a user must know about it."""
        import torch

        from edgeship.targets.torchscript.upstream import save_lite

        module = self._module(program, engine, context)
        examples = [context.example, _second(context.example, context.signature)]
        script = torch.jit.freeze(self._record(module, examples))
        _compare(module, script, examples)
        if self.lite:
            script, optimized = _for_mobile(script)
            if not optimized:
                notes.append(NO_MOBILE_PASSES)
        file = out / ("model.ptl" if self.lite else "model.pt")
        save_lite(script, file) if self.lite else torch.jit.save(script, str(file))
        clean(file)
        if engine:
            _load(file, engine, context.example)
        return file, script

    def _module(self, program: ExportedProgram, engine: Engine | None, context: Context) -> GraphModule:
        """The program as a plain module, in an engine's integer kernels where it is quantized."""
        from edgeship.targets.torchscript.integers import to_integer_kernels
        from edgeship.targets.torchscript.plain import plain_module

        if not context.spec.is_float:
            program = folded(program, context.signature, context.example)
        module = plain_module(program)
        if engine and not to_integer_kernels(module, engine):
            raise ExportError(
                f"torch has no integer kernel for any operator of this {context.spec} program",
                'choose another target, or `engine = "reference"` to compare numbers',
            )
        return module

    def _record(self, module: GraphModule, examples: Sequence[tuple[torch.Tensor, ...]]) -> torch.jit.ScriptModule:
        import torch

        from edgeship.targets.torchscript.plain import name_packets

        try:
            with torch.no_grad():
                if self.method == "script":
                    name_packets(module)
                    recorded = torch.jit.script(module)
                else:
                    recorded = torch.jit.trace(module, examples[0], check_trace=False)  # type: ignore[no-untyped-call]
                return recorded.eval()
        except Exception as error:
            other = "script" if self.method == "trace" else "trace"
            raise ExportError(
                f"torch.jit.{self.method} cannot take the program: {first_line(error)}", f'try method = "{other}"'
            ) from (error)


def _load(file: Path, engine: Engine, example: tuple[torch.Tensor, ...]) -> None:
    """Read the file back and run it once; ExportError where the engine refuses it."""
    import torch

    from edgeship.targets.torchscript.upstream import load_lite

    try:
        module = load_lite(file) if file.suffix == ".ptl" else torch.jit.load(str(file))  # type: ignore[no-untyped-call]
        with torch.no_grad():
            module(*example)
    except RuntimeError as error:
        raise ExportError(
            f"{engine} refuses the file: {first_line(error)}", "choose another engine, or leave this layer in float"
        ) from error


def _for_mobile(script: torch.jit.ScriptModule) -> tuple[torch.jit.ScriptModule, bool]:
    """torch's passes for phones, where this torch has them."""
    from torch.utils.mobile_optimizer import optimize_for_mobile

    try:
        return optimize_for_mobile(script), True
    except RuntimeError as error:
        if "XNNPACK" not in str(error):
            raise
        return script, False


def _second(example: Sequence[torch.Tensor], signature: Signature) -> tuple[torch.Tensor, ...]:
    """Other values, and other sizes where dimensions are dynamic."""
    import torch

    inputs = []
    sizes: dict[str, int] = {}
    for value, tensor in zip(example, signature.inputs, strict=True):
        for axis, name in enumerate(tensor.shape):
            if isinstance(name, str):
                low, high = signature.dims[name]
                now = value.shape[axis]
                size = sizes.setdefault(name, now + 1 if now < high else max(low, now - 1))
                value = value.index_select(axis, torch.arange(size) % now)
        inputs.append(value * 0.9 + 0.01 if value.is_floating_point() else value.flip(-1) if value.dim() else value)
    return tuple(inputs)


def _compare(module: GraphModule, script: Any, examples: Sequence[tuple[torch.Tensor, ...]]) -> None:
    """ExportError when the recorded program answers something else than the module."""
    import torch

    with torch.no_grad():
        for inputs in examples:
            for expected, answer in zip(module(*inputs), script(*inputs), strict=True):
                if expected.shape != answer.shape:
                    raise ExportError(
                        f"the recorded program answers {list(answer.shape)} where the model answers "
                        f"{list(expected.shape)}: tracing fixed a size",
                        'try method = "script", or declare the dimension as a number',
                    )
                if not torch.allclose(expected.float(), answer.float(), rtol=1e-3, atol=1e-4, equal_nan=True):
                    raise ExportError(
                        "the recorded program answers other numbers than the model on a second input",
                        'try method = "script"',
                    )
