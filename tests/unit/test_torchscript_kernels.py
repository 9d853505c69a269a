"""Groups of dequantize → operator → quantize in torch's integer kernels, under each engine."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.ao.quantization.fx._decomposed  # registers what a PT2E program says
from torch import nn
from torch.nn import functional as F

from edgeship.targets.torchscript.engines import Engine, engine_of, onednn_saturates, selected
from edgeship.targets.torchscript.integers import to_integer_kernels
from edgeship.targets.torchscript.plain import plain_module
from edgeship.targets.torchscript.upstream import has_vnni

pytestmark = pytest.mark.heavy

EXACT = pytest.mark.skipif(onednn_saturates(), reason="no VNNI: the int8 products of onednn and x86 saturate here")
ENGINES = ["qnnpack", pytest.param("onednn", marks=EXACT)]
INPUT = (0.03, -20)
Function = Callable[[torch.Tensor], torch.Tensor]


def stored(x: torch.Tensor, scale: float, zero: int) -> torch.Tensor:
    """What int8 keeps of `x`, as a PT2E program says it."""
    rest = (scale, zero, -128, 127, torch.int8)
    decomposed = torch.ops.quantized_decomposed
    return decomposed.dequantize_per_tensor(decomposed.quantize_per_tensor(x, *rest), *rest)


class Group(nn.Module):
    """A 3×3 convolution, whose answer is channels-last in integer kernels, and `function` of what int8 keeps of it."""

    def __init__(self, function: Function, output: tuple[float, int] | None = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        weight = torch.randn(8, 4, 3, 3) / 3
        self.register_buffer("scales", weight.flatten(1).abs().amax(1) / 127)
        self.register_buffer("zeros", torch.zeros(8, dtype=torch.int64))
        integers = torch.round(weight / self.scales[:, None, None, None]).to(torch.int8)
        self.register_buffer("weight", integers)
        self.function, self.output = function, output or INPUT

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = torch.ops.quantized_decomposed.dequantize_per_channel(
            self.weight, self.scales, self.zeros, 0, -127, 127, torch.int8
        )
        features = stored(F.conv2d(stored(x, *INPUT), weight, padding=1), *INPUT)
        return stored(self.function(features), *self.output)


FUNCTIONS: dict[str, tuple[Function, tuple[float, int] | None, int]] = {
    # the function, scale and zero point of its answer (those of its input), and how many integer kernels there are
    "relu": (F.relu, None, 2),
    "relu6 in the middle of the range": (lambda x: F.hardtanh(x, 0.0, 3.0), None, 2),
    "hardtanh": (lambda x: F.hardtanh(x, -1.0, 1.0), None, 2),
    "sigmoid of 1/256": (torch.sigmoid, (1 / 256, -128), 2),
    "tanh of 1/128": (torch.tanh, (1 / 128, 0), 2),
    "hardsigmoid of 1/256": (F.hardsigmoid, (1 / 256, -128), 2),
    "hardswish": (F.hardswish, (0.02, -110), 2),
    "leaky relu": (lambda x: F.leaky_relu(x, 0.1), (0.02, -110), 2),
    "sum": (lambda x: x + x, (0.06, -20), 2),
    "average pool": (lambda x: F.avg_pool2d(x, 3, 2, 1), None, 2),
    "max pool": (lambda x: F.max_pool2d(x, 3, 2, 1), None, 2),
    "mean": (lambda x: x.mean((2, 3)), None, 2),
    "concatenation": (lambda x: torch.cat([x, x], 1), None, 2),
}
QNNPACK_LACKS: dict[str, tuple[Function, tuple[float, int] | None, int]] = {
    "sigmoid of another scale": (torch.sigmoid, (1 / 255, -128), 2),
    "average pool without its padding": (lambda x: F.avg_pool2d(x, 3, 2, 1, False, False), None, 2),
}


group = functools.cache(Group)  # made and exported once for all engines


@functools.cache
def exported(made: Group) -> torch.export.ExportedProgram:
    return torch.export.export(made, (torch.zeros(1, 4, 10, 10),))


def compared(made: Group, engine: Engine) -> tuple[float, int]:
    """How many steps of the answer's scale the integer module is apart at most, and its number of integer kernels."""
    x = torch.randn(1, 4, 10, 10) * 2
    module = plain_module(exported(made))
    with selected(engine), torch.no_grad():
        kernels = to_integer_kernels(module, engine)
        expected, answer = made(x), module(x)[0]
    assert expected.std() > 0.01
    assert answer.shape == expected.shape
    return float((answer - expected).abs().max() / made.output[0]), kernels


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_kernel_is_at_most_one_step_from_the_program(name: str, engine: Engine) -> None:
    function, output, expected = FUNCTIONS[name]
    steps, kernels = compared(group(function, output), engine)
    assert steps < 1.1
    assert kernels == expected


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", QNNPACK_LACKS)
def test_what_qnnpack_does_not_compute_stays_float_there(name: str, engine: Engine) -> None:
    function, output, expected = QNNPACK_LACKS[name]
    steps, kernels = compared(group(function, output), engine)
    assert steps < 1.1
    assert kernels == expected - (engine == "qnnpack")


def gated(x: torch.Tensor) -> torch.Tensor:
    gate = stored(torch.sigmoid(stored(x.mean((2, 3), keepdim=True), *INPUT)), 1 / 256, -128)
    return gate * x


@pytest.mark.parametrize("engine", ENGINES)
def test_a_gate_of_one_value_per_channel_multiplies_in_integers(engine: Engine) -> None:
    steps, kernels = compared(group(gated), engine)
    assert steps < 1.1
    assert kernels == 4


def test_qnnpack_still_mixes_the_pixels_of_a_channels_last_clamp_up() -> None:
    """Else kernels.bounded may use hardtanh again."""
    x = torch.quantize_per_tensor(torch.randn(1, 8, 6, 6), 0.05, 100, torch.quint8)
    with selected("qnnpack"):
        sound = torch.ops.aten.hardtanh(x, 0.0, 1.0).dequantize()
        mixed = torch.ops.aten.hardtanh(x.contiguous(memory_format=torch.channels_last), 0.0, 1.0).dequantize()
    assert not torch.equal(sound, mixed)


def test_selecting_an_engine_leaves_the_process_as_it_was() -> None:
    before = torch.backends.quantized.engine
    with selected("qnnpack"):
        assert torch.backends.quantized.engine == "qnnpack"
    assert torch.backends.quantized.engine == before


@pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="no /proc/cpuinfo")
def test_torch_sees_the_vnni_that_the_kernel_tells_of() -> None:
    assert has_vnni() == ("avx512_vnni" in Path("/proc/cpuinfo").read_text())


def test_phones_files_are_for_qnnpack_and_servers_for_onednn() -> None:
    assert [engine_of("default", lite=lite) for lite in (True, False)] == ["qnnpack", "onednn"]
    assert engine_of("default", lite=False, saturates=True) == "qnnpack"
    assert engine_of("onednn", lite=False, saturates=True) == "onednn"
    assert engine_of("x86", lite=True) == "x86"
