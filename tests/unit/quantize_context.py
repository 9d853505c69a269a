"""Programs and contexts of the quantization tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from models import digit_data, digit_net, encoder_net
from torch import nn

from edgeship.toolchain.api import Context, Samples, Signature, Tensor, export
from edgeship.toolchain.model.program import flatten

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def digits(batch: int | str = 1) -> tuple[ExportedProgram, Context, list[str]]:
    """The trained digit classifier, its calibration context, and the list that warnings go to."""
    net, example = digit_net()
    return program_of(net, example, digit_data()[0].take(range(32)), ("image",), batch)


def encoder(batch: int | str = 1) -> tuple[ExportedProgram, Context, list[str]]:
    """The text encoder with 24 random sentences."""
    net, example = encoder_net()
    ids = np.random.default_rng(0).integers(0, 512, (24, 1, 10))
    mask = np.repeat(example[1].numpy()[None], 24, axis=0)
    samples = Samples({"input_ids": ids, "attention_mask": mask})
    return program_of(net, example, samples, ("input_ids", "attention_mask"), batch)


def program_of(
    net: nn.Module, example: tuple[torch.Tensor, ...], samples: Samples, names: tuple[str, ...], batch: int | str = 1
) -> tuple[ExportedProgram, Context, list[str]]:
    warnings: list[str] = []
    inputs = tuple(
        Tensor(name=name, dtype=str(value.dtype).removeprefix("torch."), shape=(batch, *value.shape[1:]))
        for name, value in zip(names, example, strict=True)
    )
    with torch.no_grad():
        answer = net(*example)
    output = Tensor(name="output", dtype="float32", shape=(batch, *answer.shape[1:]))
    signature = Signature(inputs, (output,), {batch: (1, 64)} if isinstance(batch, str) else {})
    program = export(flatten(net, len(example)), example, signature)
    return program, Context(signature, example=example, calibration=samples, warn=warnings.append), warnings


def answers(program: ExportedProgram, samples: Samples) -> torch.Tensor:
    """The first output for every sample, one at a time."""
    return answers_of(program.module(), samples)


def answers_of(module: nn.Module, samples: Samples) -> torch.Tensor:
    """The first output of a module for every sample, one at a time."""
    with torch.no_grad():
        return torch.cat([module(*map(torch.from_numpy, samples.row(index)))[0] for index in range(len(samples))])


def sqnr_db(reference: torch.Tensor, other: torch.Tensor) -> float:
    return float(10 * torch.log10(reference.square().mean() / (reference - other).square().mean()))


def operators(program: ExportedProgram) -> Counter[str]:
    """How often each operator stands in the program: {"aten.conv2d.default": 5}."""
    return Counter(str(node.target) for node in program.graph.nodes if node.op == "call_function")


def nodes(program: ExportedProgram, matches: Callable[[str], bool]) -> list[torch.fx.Node]:
    return [node for node in program.graph.nodes if node.op == "call_function" and matches(str(node.target))]
