"""Single constants altered in real int8 files: every one is a fault, and the sound files have none."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from audits import audit, compare
from torch import nn

from edgeship.targets.coreai.target import CoreAI
from edgeship.targets.coreml.target import CoreML
from edgeship.targets.executorch import constants as pte
from edgeship.targets.executorch.flatbuffer import Table
from edgeship.targets.executorch.schemas import XNN_DATATYPES, XNN_FIELDS
from edgeship.targets.executorch.target import ExecuTorch
from edgeship.targets.litert import constants as tflite
from edgeship.targets.litert.target import LiteRT
from edgeship.targets.litert.upstream import read_flatbuffer, write_flatbuffer
from edgeship.targets.onnx.target import Onnx
from edgeship.targets.torchscript.target import TorchScript
from edgeship.toolchain.api import (
    W8A8_DYNAMIC,
    W8A8_STATIC,
    Artifact,
    Context,
    Samples,
    Signature,
    Target,
    Tensor,
    export,
)
from edgeship.toolchain.model.audit import inventory_of
from edgeship.toolchain.model.constants import constants_of
from edgeship.toolchain.model.expected import Constants
from edgeship.toolchain.model.program import flatten
from edgeship.toolchain.passes.quantize import QuantizeDynamic, QuantizeStatic
from tests.models import digit_data, digit_net

pytestmark = pytest.mark.heavy

Program = torch.export.ExportedProgram
Altered = tuple[str, Any]
SIGNATURE = Signature(
    (Tensor(name="image", dtype="float32", shape=(1, 1, 8, 8)),),
    (Tensor(name="logits", dtype="float32", shape=(1, 10)),),
)


@functools.cache
def static_program() -> tuple[Program, Constants]:
    net, example = digit_net()
    calibration = Samples({"image": digit_data()[0].inputs["image"][:64]})
    context = Context(SIGNATURE, example=example, calibration=calibration)
    program = QuantizeStatic(ranges="min-max").apply(export(flatten(net, 1), example, SIGNATURE), context)
    return program, constants_of(program)


def exported(target: Target, folder: Path) -> Artifact:
    return target.export(static_program()[0], folder, Context(SIGNATURE, W8A8_STATIC, example=digit_net()[1]))


def altered(array: np.ndarray) -> Iterator[Altered]:
    """Copies with one number, or all of one kind, wrong by what no output need show."""
    if array.dtype == np.int8 and array.size > 1 and array.any():
        one = array.copy()
        one.flat[array.size // 2] += 1 if one.flat[array.size // 2] < 127 else -1
        yield "one weight by a step", one
        yield "weights × 1.05", np.clip(np.round(array * 1.05), -127, 127).astype(np.int8)
        if len(array) > 1:
            yield "two channels swapped", array[[1, 0, *range(2, len(array))]]
    elif array.dtype in (np.int8, np.uint8) and array.size == 1:
        yield "zero point + 1", (array + 1).astype(array.dtype)
        yield "zero point - 1", (array - 1).astype(array.dtype)
    elif array.dtype == np.int32 and array.size > 1 and array.any():
        one = array.copy()
        one.flat[0] += 2  # rounding may be off by one where a product is not exact
        yield "bias by two steps", one
        yield "bias shifted", (array + np.abs(array).max() // 50 + 1).astype(np.int32)
    elif array.dtype == np.float32 and array.size:
        yield "scale × 1.02", array * np.float32(1.02)
        one = array.copy()
        one.flat[-1] *= np.float32(1.02)
        yield "one scale × 1.02", one


def check(files: Iterator[Altered], read: Callable[[Any], Any], least: int) -> None:
    expected = static_program()[1]
    verdicts = [(what, compare(expected, read(file)).faults) for what, file in files]
    assert [what for what, faults in verdicts if not faults] == []
    assert len(verdicts) >= least


def test_every_constant_of_an_onnx_file_counts(tmp_path: Path) -> None:
    import onnx
    from onnx import numpy_helper

    from edgeship.targets.onnx.constants import constants

    artifact = exported(Onnx(), tmp_path)
    sound = audit(static_program()[0], artifact, tmp_path)
    assert sound is not None
    assert sound.faults == ()
    assert sound.accounted == sound.total >= 36
    model = onnx.load(tmp_path / artifact.file)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}

    def files() -> Iterator[Altered]:
        for node in model.graph.node:
            for index, name in enumerate(node.input):
                for what, array in altered(stored[name]) if name in stored else ():
                    model.graph.initializer.append(numpy_helper.from_array(array, "altered"))
                    node.input[index] = "altered"  # for this reader alone, where several share it
                    file = tmp_path / "altered.onnx"
                    onnx.save(model, file)
                    yield f"{node.op_type} {name}: {what}", file
                    node.input[index] = name
                    model.graph.initializer.pop()

    check(files(), constants, 100)


def test_every_constant_of_a_tflite_file_counts(tmp_path: Path) -> None:
    artifact = exported(LiteRT(), tmp_path)
    sound = audit(static_program()[0], artifact, tmp_path)
    assert sound is not None
    assert sound.faults == ()
    assert sound.accounted == sound.total >= 36
    model = read_flatbuffer((tmp_path / artifact.file).read_bytes())

    def files() -> Iterator[Altered]:
        for tensor in model.subgraphs[0].tensors:
            name, buffer, grid = tensor.name.decode(), model.buffers[tensor.buffer], tensor.quantization
            kept = buffer.data
            if kept is not None and len(kept) and tensor.type in (2, 9):  # INT32, INT8
                array = np.asarray(kept, np.uint8).view(np.int8 if tensor.type == 9 else np.int32)
                for what, other in altered(array.reshape(tensor.shape)) if grid and grid.scale is not None else ():
                    buffer.data = np.ascontiguousarray(other).reshape(-1).view(np.uint8)
                    yield f"{name}: {what}", model
                    buffer.data = kept
            if grid is None or grid.scale is None:
                continue
            scale, zero_point = grid.scale, grid.zeroPoint
            for what, other in altered(np.asarray(scale, np.float32)):
                grid.scale = other
                yield f"{name}: {what}", model
            grid.scale = scale
            for step in (1, -1) if not kept_integers(kept) else ():
                grid.zeroPoint = np.asarray(zero_point) + step
                yield f"{name}: zero point by {step}", model
            grid.zeroPoint = zero_point

    check(files(), lambda changed: tflite.inventory(read_flatbuffer(bytes(write_flatbuffer(changed)))), 60)


def kept_integers(data: Any) -> bool:
    """Whether a tensor is a constant, whose zero point is 0 by the format's rules."""
    return data is not None and len(data) > 0


def test_every_constant_of_a_pte_counts(tmp_path: Path) -> None:
    artifact = exported(ExecuTorch(), tmp_path)
    sound = audit(static_program()[0], artifact, tmp_path)
    assert sound is not None
    assert sound.faults == ()
    assert sound.accounted == sound.total >= 36
    content = (tmp_path / artifact.file).read_bytes()

    def files() -> Iterator[Altered]:
        for what, at, dtype, count in numbers(content):
            for how, other in altered(np.frombuffer(content, dtype, count, at).copy()):
                file = tmp_path / "altered.pte"
                file.write_bytes(content[:at] + other.tobytes() + content[at + other.nbytes :])
                yield f"{what}: {how}", file
            if what == "zero point":
                for step in (1, -1):
                    (zero_point,) = struct.unpack_from("<i", content, at)
                    file = tmp_path / "altered.pte"
                    file.write_bytes(content[:at] + struct.pack("<i", zero_point + step) + content[at + 4 :])
                    yield f"zero point by {step}", file

    check(files(), pte.constants, 60)


class Normed(torch.nn.Module):
    """Two layer norms and a softmax over the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.layer, self.second = torch.nn.LayerNorm(8), torch.nn.Linear(8, 8), torch.nn.LayerNorm(8)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.second(torch.relu(self.layer(self.first(tokens)))), 1)


@pytest.mark.parametrize(
    "target", [Onnx(), LiteRT(), ExecuTorch(), TorchScript(), CoreML(), CoreAI()], ids=lambda t: type(t).__name__
)
def test_an_epsilon_of_one_norm_of_two_counts_in_every_format(target: Target, tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape, example = (1, 4, 8), (torch.randn(1, 4, 8),)
    signature = Signature(
        (Tensor(name="tokens", dtype="float32", shape=shape),), (Tensor(name="y", dtype="float32", shape=shape),)
    )
    net = Normed().eval()
    sound = export(flatten(net, 1), example, signature)
    net.second.eps = 1e-3
    broken = export(flatten(net, 1), example, signature)
    faults = []
    for name, program in (("sound", sound), ("broken", broken)):
        (tmp_path / name).mkdir()
        artifact = target.export(program, tmp_path / name, Context(signature, example=example))
        found = audit(sound, artifact, tmp_path / name)
        assert found is not None
        faults.append(found.faults)
    assert faults[0] == ()
    (fault,) = faults[1]
    assert fault.endswith("its epsilon 0.001 is not the program's") or "0.00100" in fault


def numbers(content: bytes) -> Iterator[tuple[str, int, Any, int]]:
    """Where the constants of XNNPACK's graph lie: what, offset, dtype, how many."""
    graphs: list[Any] = []
    program = Table.root(content)
    plan = program.tables(pte.FIELDS["Program"]["execution_plan"])[0]
    segments = pte.segments_of(content, program)
    for delegate in plan.tables(pte.FIELDS["ExecutionPlan"]["delegates"]):
        start, _ = pte.delegate_data(delegate, program, segments)
        graphs.append(pte._Graph(content, start, pte.named_data(program, segments)))
    for graph in graphs:
        for value in graph.graph.tables(XNN_FIELDS["XNNGraph"]["xvalues"]):
            quantized = value.table(1)
            if value.scalar(0, "B") != 2 or quantized is None:
                continue
            tensor, parameters = quantized.table(0), quantized.table(2)
            assert tensor is not None
            assert parameters is not None
            kind = XNN_DATATYPES[tensor.scalar(XNN_FIELDS["XNNTensorValue"]["datatype"], "h")]
            index = tensor.scalar(XNN_FIELDS["XNNTensorValue"]["constant_buffer_idx"], "I")
            if index:
                offset = content.index(graph._bytes(index))
                yield kind, offset, np.dtype(kind), len(graph._bytes(index)) // np.dtype(kind).itemsize
            if quantized.scalar(1, "B") == pte.PER_TENSOR:
                for what, field, dtype in (("scale", 0, np.float32), ("zero point", 1, np.int64)):
                    at = parameters._field(field)
                    if at is not None:
                        yield what, at, dtype, int(what == "scale")
            elif scales := parameters.scalar(XNN_FIELDS["PerChannelQuant"]["scale_buffer_idx"], "I"):
                data = graph._bytes(scales)
                yield "scales", content.index(data), np.float32, len(data) // 4


def test_the_border_of_a_padded_maximum_is_no_number_of_the_program(tmp_path: Path) -> None:
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 10, 3), nn.Flatten())
    example = (torch.rand(1, 1, 8, 8),)
    calibration = Samples({"image": digit_data()[0].inputs["image"][:64]})
    context = Context(SIGNATURE, example=example, calibration=calibration)
    program = QuantizeStatic().apply(export(flatten(stem.eval(), 1), example, SIGNATURE), context)
    artifact = LiteRT().export(program, tmp_path, Context(SIGNATURE, W8A8_STATIC, example=example))
    model = read_flatbuffer((tmp_path / artifact.file).read_bytes())
    assert "PADV2" in [name for name, _ in tflite._Graph(model, model.subgraphs[0]).operators]
    found = audit(program, artifact, tmp_path)
    assert found is not None
    assert found.faults == ()


def test_the_sum_in_a_hard_sigmoid_is_folded_into_the_layer_before_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 10, 8), nn.Hardsigmoid(), nn.Flatten())
    example = (torch.rand(1, 1, 8, 8),)
    context = Context(SIGNATURE, example=example)
    program = export(flatten(net.eval(), 1), example, SIGNATURE)
    artifact = LiteRT().export(program, tmp_path, context)
    found = audit(program, artifact, tmp_path)
    assert found is not None
    assert found.faults == ()


class Stepwise(nn.Module):
    """A norm and an activation written step by step, as transformers do, before a layer quantized at run time."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.rand(16) + 0.5)
        self.layer = nn.Linear(16, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows = image.reshape(-1, 4, 16)
        rows = self.gain * (rows * torch.rsqrt(rows.pow(2).mean(-1, keepdim=True) + 1e-5))
        bent = 0.5 * rows * (1.0 + torch.tanh(0.7978845608028654 * (rows + 0.044715 * torch.pow(rows, 3.0))))
        return self.layer(bent).sum(1)


class Apart(nn.Module):
    """What looks like an epsilon and a factor, and is none."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        rows = 0.044715 * (image.reshape(-1, 4, 16) + 1e-5)
        return self.layer(rows).sum(1)


@pytest.mark.parametrize("target", [Onnx, LiteRT])
def test_numbers_of_steps_that_become_one_operator_are_its_own(target: type[Target], tmp_path: Path) -> None:
    torch.manual_seed(0)
    example = (torch.randn(1, 1, 8, 8),)
    context = Context(SIGNATURE, example=example)
    program = QuantizeDynamic().apply(export(Stepwise().eval(), example, SIGNATURE), context)
    artifact = target().export(program, tmp_path, Context(SIGNATURE, W8A8_DYNAMIC, example=example))
    found = audit(program, artifact, tmp_path)
    assert found is not None
    assert not found.faults
    # the same numbers where nothing becomes a norm or an activation
    changed = constants_of(QuantizeDynamic().apply(export(Apart().eval(), example, SIGNATURE), context))
    inventory = inventory_of(artifact, tmp_path)
    assert inventory is not None
    file = replace(inventory, weights=[], activations=[], floats=[])
    assert len(compare(replace(changed, layers=[], activations=[]), file).faults) == 2


class Placed(nn.Module):
    """Words with their places and, all alike, their kinds, as text encoders have them."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places, self.kinds = nn.Embedding(50, 16), nn.Embedding(512, 16), nn.Embedding(2, 16)
        self.last = nn.Linear(16, 10)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        places = torch.arange(ids.shape[1]).unsqueeze(0)
        x = self.words(ids) + self.places(places) + self.kinds(torch.zeros_like(ids))
        return self.last(x).mean(1)


@pytest.mark.parametrize("target", [Onnx, LiteRT, pytest.param(ExecuTorch, marks=pytest.mark.slow)])
def test_rows_that_are_read_at_fixed_places_are_a_constant(target: type[Target], tmp_path: Path) -> None:
    torch.manual_seed(0)
    example = (torch.randint(50, (1, 12)),)
    ids = Tensor(name="ids", dtype="int64", shape=(1, 12))
    signature = Signature((ids,), (Tensor(name="logits", dtype="float32", shape=(1, 10)),))
    calibration = Samples({"ids": np.random.default_rng(0).integers(0, 50, (32, 1, 12))})
    context = Context(signature, example=example, calibration=calibration)
    program = QuantizeStatic().apply(export(flatten(Placed().eval(), 1), example, signature), context)
    artifact = target().export(program, tmp_path, Context(signature, W8A8_STATIC, example=example))
    found = audit(program, artifact, tmp_path)
    assert found is not None
    assert found.faults == ()
