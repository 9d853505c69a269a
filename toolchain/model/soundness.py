"""Is a loaded model worth converting: it answers, always the same, and something that depends on its input."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.errors import EdgeshipError, ExportError, SourceError
from edgeship.toolchain.stats import sqnr_db

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.export import ExportedProgram

Outputs = list[tuple[str, "torch.Tensor"]]
TINY = 1e-6  # an untrained MobileNetV2 answers 3e-9, which int8 turns into exactly 0
OFF = 1e-5  # ConvNeXt's layer scale starts at 1e-6, CaiT's at 1e-5
PROGRAM_DB = 80.0  # other sums of the same float32 numbers lie 100 dB and more apart, in the deepest networks tried
HALF_PROGRAM_DB = 40.0
SAME_INTEGERS = 0.99  # a class or a mask at the border of two may turn with the last digit
SCALES = ("gamma", "scale", "gain", "alpha", "resweight")
NAMED = 4


def call(module: nn.Module, inputs: tuple[torch.Tensor, ...], when: str = "") -> Outputs:
    """The named outputs of one call of a flat module; SourceError says where the model failed."""
    import torch

    try:
        with torch.no_grad():
            return module.named(*(value.clone() for value in inputs))  # type: ignore[no-any-return, operator]
    except EdgeshipError:
        raise
    except Exception as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if "/torch/" not in f.filename]
        given = ", ".join(f"{str(v.dtype).removeprefix('torch.')} {list(v.shape)}" for v in inputs)
        raise SourceError(
            f"the model fails {when + ' ' if when else ''}at {frames[-1].filename}:{frames[-1].lineno}: "
            f"{str(error).strip() or type(error).__name__}",
            f"it was called with {given}: correct the inputs' shapes, dtypes, order and value range",
        ) from error


def check(module: nn.Module, inputs: tuple[torch.Tensor, ...], outputs: Outputs, warn: Callable[[str], None]) -> None:
    """Raise SourceError for a model that keeps train behaviour, changes itself or answers NaN; warn of a dead one."""
    import torch

    if not outputs:
        raise SourceError("the model answers no tensor", "return what the artifact must compute")
    for name, value in outputs:
        if not value.isfinite().all():
            raise SourceError(f"output {name!r} has NaN or infinite values", "check the weights and the input's range")
    buffers = {name: buffer.clone() for name, buffer in module.named_buffers()}
    again = call(module, inputs)
    changed = [name for name, buffer in module.named_buffers() if not torch.equal(buffer, buffers[name])]
    if changed:
        raise SourceError(
            f"a call changes the model's {', '.join(changed[:3])}",
            "a batch norm in train mode, or state: pass state in and out, and name it in [model.state]",
        )
    if any(not torch.equal(first, second) for (_, first), (_, second) in zip(outputs, again, strict=True)):
        raise SourceError(
            "the model answers differently to the same input although it is in eval mode",
            "something random is left on: F.dropout without training=self.training, noise, sampling",
        )
    try:
        other = call(module, _disturbed(inputs))
    except SourceError as error:
        warn(f"whether the outputs depend on the inputs could not be tried: {error}")
        return
    constant = [name for (name, a), (_, b) in zip(outputs, other, strict=True) if _same(a, b)]
    for name in constant:
        warn(f"output {name!r} does not depend on the inputs: are the trained weights loaded?")
    for name, value in outputs:
        if value.is_floating_point() and name not in constant and value.abs().max() < TINY:
            warn(f"output {name!r} is below {TINY:g} everywhere: are the trained weights loaded?")


def check_program(
    module: nn.Module, program: ExportedProgram, inputs: tuple[torch.Tensor, ...], names: Sequence[str]
) -> None:
    """Raise ExportError where the exported program does not answer what the model does: all files would be as wrong."""
    import torch

    with torch.no_grad():
        wanted, answers = (each(*(value.clone() for value in inputs)) for each in (module, program.module()))
    for name, value, answer in zip(names, wanted, answers, strict=True):
        if value.shape != answer.shape or value.dtype != answer.dtype:
            apart = f"is {answer.dtype} {list(answer.shape)}, not {value.dtype} {list(value.shape)}"
        elif not value.is_floating_point():
            share = float((value == answer).double().mean())
            apart = f"differs in {1 - share:.0%} of its values" if share < SAME_INTEGERS else ""
        else:
            limit = PROGRAM_DB if value.dtype in (torch.float32, torch.float64) else HALF_PROGRAM_DB
            near = sqnr_db(value.double().numpy(), answer.double().numpy())
            apart = f"lies {near:.1f} dB from it, at least {limit:g} are expected" if near < limit else ""
        if apart:
            raise ExportError(
                f"the exported program does not compute what the model does: output {name!r} {apart}",
                "a tensor that is written in place, or a value that tracing fixed, may be the cause: build it anew "
                "(torch.where, torch.cat) or pass it as an input",
            )


def check_batch_statistics(program: ExportedProgram, warn: Callable[[str], None]) -> None:
    """Warn of batch norm that normalizes with what comes in: every answer depends on the rest of its batch.

    `eval()` does not reach `F.batch_norm(training=True)`; an InstanceNorm, which is made of it, takes no other sample.
    """
    import torch

    for node in program.graph.nodes:
        if node.target is torch.ops.aten.batch_norm.default and node.args[5] and not _is_instance_norm(node):
            line = next(
                (text.strip() for text in reversed(str(node.stack_trace or "").splitlines()) if text.strip()), ""
            )
            warn(
                f"batch norm takes its statistics from the batch ({line or node.name}): each answer depends on the "
                "other samples of its batch; pass training=self.training and the running statistics"
            )
            return


def _is_instance_norm(node: Any) -> bool:
    owners = node.meta.get("nn_module_stack") or {}
    return any("InstanceNorm" in str(kind) for _, kind in owners.values()) or "instance_norm" in str(node.stack_trace)


def switched_off(module: nn.Module) -> list[str]:
    """Layers that initialization left without effect, by name: a weight (the last normalization's, where
    `zero_init_residual` is on) or a layer scale that nowhere exceeds 1e-5.

    Biases and tokens may start at zero: any other parameter counts only where it is one tiny value along one axis.
    """
    layers = []
    for name, parameter in module.named_parameters():
        owner, _, last = name.removeprefix("model.").rpartition(".")
        if not parameter.is_floating_point() or not parameter.numel() or parameter.detach().abs().max() > OFF:
            continue
        if last == "weight":
            layers.append(owner or last)
        elif sum(size > 1 for size in parameter.shape) <= 1 and (
            any(word in last for word in SCALES)
            or bool((parameter == parameter.flatten()[0]).all() and parameter.any())
        ):
            layers.append(f"{owner}.{last}" if owner else last)
    return layers


def check_branches(module: nn.Module, warn: Callable[[str], None]) -> None:
    """Warn of branches that initialization switches off: ratios to such a float model say nothing."""
    layers = switched_off(module)
    if not layers:
        return
    more = f" and {len(layers) - NAMED} more" if len(layers) > NAMED else ""
    warn(
        f"untrained? {', '.join(layers[:NAMED])}{more} multiply their branch by {OFF:g} or less: converters fold such "
        "branches away, and sizes and times beside float mean nothing"
    )


def _disturbed(inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """Other values from the same range: floats reversed and scaled; integers mirrored, where there are no floats."""
    import torch

    def float_(value: torch.Tensor) -> torch.Tensor:
        scale = torch.linspace(0.5, 1.0, value.numel(), dtype=torch.float64)
        offset = 0.1 * value.double().std() if value.numel() > 1 else 0.1
        return (value.double().flatten().flip(0) * scale + offset).reshape(value.shape).to(value.dtype)

    def integer(value: torch.Tensor) -> torch.Tensor:
        value = value.to(torch.int64) if (kind := value.dtype) == torch.bool else value
        low, high = value.min(), value.max()
        return ((value == 0) if low == high else low + high - value).to(kind)

    if any(value.is_floating_point() for value in inputs):
        return tuple(float_(value) if value.is_floating_point() else value for value in inputs)
    return tuple(integer(value) for value in inputs)


def _same(a: torch.Tensor, b: torch.Tensor) -> bool:
    if a.shape != b.shape:
        return False
    return bool((a.double() - b.double()).abs().max() <= 1e-6 * a.double().abs().max()) if a.numel() else True
