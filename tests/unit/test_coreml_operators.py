"""MIL operators, family by family: a net through coremltools, read back and evaluated, against torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from coremltools.converters.mil import Builder
from torch import Tensor, nn

from edgeship.targets.coreml.interpreter import Interpreter
from edgeship.targets.coreml.operators import OPERATORS
from edgeship.targets.coreml.upstream import read_program

pytestmark = pytest.mark.heavy

X = torch.randn(2, 8, 9, 11, generator=torch.Generator().manual_seed(0))
TOLERANCE = 2e-5


class Calls(nn.Module):
    """A module around a function of tensors."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        result = self.function(*self.parts, *inputs)
        return result if isinstance(result, tuple) else (result,)


def evaluated(module: nn.Module, inputs: tuple[Tensor, ...], folder: Path, precision: str = "FLOAT32") -> list[Tensor]:
    program = torch.export.export(module.eval(), inputs).run_decompositions({})
    model = ct.convert(
        program,
        minimum_deployment_target=ct.target.iOS17,
        compute_precision=ct.precision[precision],
        skip_model_load=True,
    )
    model.save(str(folder / "net.mlpackage"))
    interpreter = Interpreter(read_program(folder / "net.mlpackage"))
    assert interpreter.unknown() == []
    names = [value.name for value in interpreter.program.main.inputs]
    return list(interpreter.run(dict(zip(names, inputs, strict=True))).values())


def families() -> dict[str, tuple[Callable[..., Any], tuple[nn.Module, ...]]]:
    torch.manual_seed(0)
    return {
        "elementwise": (
            lambda x: (
                torch.exp(x) + torch.sin(x) * torch.cos(x) - torch.tanh(x) / (x.abs() + 1),
                torch.sqrt(x.abs()) + torch.rsqrt(x.abs() + 1) + torch.log(x.abs() + 1) + x**2 + x.abs() ** 1.5,
                torch.floor(x) + torch.ceil(x) + torch.round(x * 3) + torch.sign(x) + torch.atan(x) + torch.erf(x),
                torch.maximum(x, -x) - torch.minimum(x, x * 2) + torch.clamp(x, -0.5, 0.7) + torch.remainder(x, 0.3),
            ),
            (),
        ),
        "activations": (
            lambda x: (
                F.relu(x) + F.relu6(x * 5) + F.leaky_relu(x, 0.1) + F.elu(x) + F.softplus(x) + F.softsign(x),
                F.gelu(x) + F.silu(x) + torch.sigmoid(x) + F.mish(x),
                F.hardswish(x * 3) + F.hardsigmoid(x * 3) + F.prelu(x, torch.full((8,), 0.2)),
            ),
            (),
        ),
        "comparisons": (
            lambda x: (
                torch.where(torch.logical_or(torch.logical_and(x > 0, x < 1), x == 0), x, x * 2),
                torch.where(torch.logical_xor(x >= 0.5, x <= -0.5), x, -x),
                torch.where(torch.logical_not(x != 0), x, x + 1),
            ),
            (),
        ),
        "reductions": (
            lambda x: (
                x.sum((2, 3)) + x.mean((2, 3)) + x.amax((2, 3)) - x.amin((2, 3)) + torch.logsumexp(x, (2, 3)),
                x.softmax(1) + x.cumsum(2) + x.log_softmax(1),
                x.argmax(1).float() + x.argmin(1).float() + x.norm(dim=1) + x.var(1) + x.std(1),
                torch.topk(x, 3, dim=-1)[0] + torch.topk(x, 3, dim=-1)[1].float(),
            ),
            (),
        ),
        "convolutions": (
            lambda a, b, c, d, e, x: (a(x), b(x), c(x), d(x), e(x.flatten(2))),
            (
                nn.Conv2d(8, 12, (3, 5), stride=(2, 1), padding=(1, 2)),
                nn.Conv2d(8, 8, 3, dilation=2, groups=8, bias=False),
                nn.Conv2d(8, 12, 3, padding="same", groups=4),
                nn.ConvTranspose2d(8, 4, 3, stride=2, padding=1, output_padding=1),
                nn.Conv1d(8, 4, 7, stride=3),
            ),
        ),
        "pooling": (
            lambda x: (
                F.max_pool2d(x, 3, 2, padding=1),
                F.max_pool2d(x, 2, 2, ceil_mode=True),
                F.avg_pool2d(x, 3, 2, padding=1, count_include_pad=False),
                F.avg_pool2d(x, 2),
                F.adaptive_avg_pool2d(x, 1),
            ),
            (),
        ),
        "normalization": (
            lambda a, b, c, d, x: (a(x), b(x), c(x), d(x)),
            (nn.BatchNorm2d(8), nn.InstanceNorm2d(8, affine=True), nn.LayerNorm([9, 11]), nn.GroupNorm(2, 8)),
        ),
        "products": (
            lambda a, x: (
                a(x),
                x @ x.transpose(-1, -2),
                torch.einsum("bchw,bchv->bcwv", x, x),
                F.scaled_dot_product_attention(x, x, x),
                torch.baddbmm(x[:, 0] @ x[:, 0].mT, x[:, 1], x[:, 2].mT),
            ),
            (nn.Linear(11, 5),),
        ),
        "movement": (
            lambda x: (
                x.permute(0, 2, 3, 1).reshape(2, 9, -1)[:, 1:7:2, -5:].unsqueeze(1),
                torch.cat([x, x.flip(2)], 1).chunk(4, 1)[2],
                torch.stack([x, x * 2], 1).squeeze(0).repeat(1, 2, 1, 1, 1),
                F.pixel_shuffle(x, 2).expand(2, 2, 18, 22),
                torch.tril(x) + torch.triu(x, 1),
                F.pad(x, (1, 2, 3, 0), value=0.5),
                F.pad(x, (1, 2, 3, 1), mode="reflect") + F.pad(x, (1, 2, 3, 1), mode="replicate"),
            ),
            (),
        ),
        "lookup": (
            lambda x: (
                x[:, torch.tensor([3, 0, 7])],
                x.gather(1, torch.tensor([1, 5]).reshape(1, 2, 1, 1).expand(2, 2, 9, 11)),
                x.index_select(2, torch.tensor([8, 1])),
                torch.zeros(2, 8, 9, 11).scatter_(1, x.argmax(1, keepdim=True), 1.0),
                F.one_hot(x[0, 0].argmax(1), 11).float(),
            ),
            (),
        ),
        "resizing": (
            lambda x: (
                F.interpolate(x, scale_factor=2, mode="nearest"),
                F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
                F.interpolate(x, size=(18, 21), mode="bilinear", align_corners=True),
            ),
            (),
        ),
    }


@pytest.mark.parametrize("family", families())
def test_a_family_of_operators_computes_as_torch_does(family: str, tmp_path: Path) -> None:
    function, parts = families()[family]
    module = Calls(function, *parts).eval()
    with torch.no_grad():
        wanted = module(X)
    for index, (want, got) in enumerate(zip(wanted, evaluated(module, (X,), tmp_path), strict=True)):
        assert want.shape == got.shape, f"output {index}"
        assert want.float().abs().max() > 0.1
        torch.testing.assert_close(got.float(), want.float(), rtol=TOLERANCE, atol=TOLERANCE, msg=f"output {index}")


def built(function: Callable[[Any], Any], folder: Path, oldest: Any = ct.target.iOS17) -> Interpreter:
    """The evaluator of a program written with coremltools' builder, where torch cannot say it."""
    program = Builder.program(input_specs=[Builder.TensorSpec(shape=(2, 3))], opset_version=oldest)(function)
    model = ct.convert(program, minimum_deployment_target=oldest, compute_precision=ct.precision.FLOAT32)
    model.save(str(folder / "built.mlpackage"))
    return Interpreter(read_program(folder / "built.mlpackage"))


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_cond_takes_the_branch_that_its_predicate_names(sign: float, tmp_path: Path) -> None:
    def both(x: Any) -> Any:
        positive = Builder.greater(x=Builder.reduce_sum(x=x, axes=[0, 1], keep_dims=False), y=0.0)
        return Builder.cond(
            pred=positive, _true_fn=lambda: Builder.mul(x=x, y=2.0), _false_fn=lambda: Builder.add(x=x, y=10.0)
        )

    x = torch.full((2, 3), sign)
    (got,) = built(both, tmp_path).run({"x": x}).values()
    torch.testing.assert_close(got, x * 2 if sign > 0 else x + 10)


def test_while_loop_runs_until_its_condition_fails(tmp_path: Path) -> None:
    def doubled(x: Any) -> Any:
        return Builder.while_loop(
            _cond=lambda value: Builder.less(x=Builder.reduce_max(x=value, axes=[0, 1], keep_dims=False), y=100.0),
            _body=lambda value: (Builder.mul(x=value, y=2.0),),
            loop_vars=(x,),
        )

    (got,) = built(doubled, tmp_path).run({"x": torch.full((2, 3), 3.0)}).values()
    torch.testing.assert_close(got, torch.full((2, 3), 192.0))


def test_an_lstm_computes_as_torch_does_both_ways(tmp_path: Path) -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(3, 4, bidirectional=True)
    weights = {name: value.detach() for name, value in lstm.named_parameters()}

    def gates(tensor: Tensor) -> np.ndarray[Any, Any]:
        i, f, z, o = tensor.chunk(4)  # MIL's order is i, f, o, z
        return torch.cat([i, f, o, z]).numpy()

    def given(end: str) -> dict[str, np.ndarray[Any, Any]]:
        bias = weights[f"bias_ih_l0{end}"] + weights[f"bias_hh_l0{end}"]
        return {
            f"weight_ih{'_back' if end else ''}": gates(weights[f"weight_ih_l0{end}"]),
            f"weight_hh{'_back' if end else ''}": gates(weights[f"weight_hh_l0{end}"]),
            f"bias{'_back' if end else ''}": gates(bias),
        }

    def both_ways(x: Any) -> Any:
        zeros = np.zeros((1, 8), np.float32)
        return Builder.lstm(
            x=Builder.expand_dims(x=x, axes=[1]),
            initial_h=zeros,
            initial_c=zeros,
            direction="bidirectional",
            output_sequence=True,
            **given(""),
            **given("_reverse"),
        )

    x = torch.randn(2, 3)
    with torch.no_grad():
        want, (h, c) = lstm(x[:, None])
    got = list(built(both_ways, tmp_path).run({"x": x}).values())
    states = [state.transpose(0, 1).reshape(1, 8) for state in (h, c)]
    for found, wanted in zip(got, [want, *states], strict=True):
        torch.testing.assert_close(found, wanted)


def test_half_precision_is_rounded_after_every_operator(tmp_path: Path) -> None:
    module = Calls(lambda x: (x + 2048.0) - 2048.0)
    (got,) = evaluated(module, (X,), tmp_path, "FLOAT16")
    # half has a spacing of 2 above 2048: a float evaluation would give X back
    assert (got.float() - X).abs().max() > 0.4
    torch.testing.assert_close(got.float(), ((X.half() + 2048).half() - 2048).float())


def test_an_overflow_in_half_precision_surfaces_as_infinity(tmp_path: Path) -> None:
    module = Calls(lambda x: torch.clamp(x * 40000, max=70000.0) * 2)
    assert torch.isinf(evaluated(module, (X,), tmp_path, "FLOAT16")[0]).any()
    interpreter = Interpreter(read_program(tmp_path / "net.mlpackage"))
    interpreter.run({"args_0" if "args_0" in str(interpreter.program.main.inputs) else "inputs_0": X})
    assert interpreter.overflows


def test_int4_groups_are_dequantized_by_their_scales(tmp_path: Path) -> None:
    from coremltools.converters.mil.mil import types

    int4 = types.nptype_from_builtin(types.string_to_builtin("int4"))
    data = np.arange(-6, 6).reshape(4, 3).astype(np.int8)
    scale = np.array([[0.5], [1.0], [2.0], [4.0]], np.float32)

    def product(x: Any) -> Any:
        weight = Builder.constexpr_blockwise_shift_scale(data=data.astype(int4), scale=scale)
        return Builder.linear(x=x, weight=weight)

    x = torch.randn(2, 3)
    (got,) = built(product, tmp_path, ct.target.iOS18).run({"x": x}).values()
    torch.testing.assert_close(got, x @ torch.tensor(data * scale).T)


def test_an_unknown_operator_is_named(tmp_path: Path) -> None:
    interpreter = built(lambda x: Builder.random_normal(shape=Builder.shape(x=x)), tmp_path)
    assert "random_normal" not in OPERATORS
    assert interpreter.unknown() == ["random_normal"]
