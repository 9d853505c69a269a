"""Operators of MIL that work element by element, activations among them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from edgeship.targets.coreml.operators.table import OPERATORS, Function, operator


def _unary(function: Function) -> Function:
    return lambda x: function(x)


def _binary(function: Function) -> Function:
    return lambda x, y: function(x, y)


UNARY: dict[str, Function] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "floor": torch.floor,
    "identity": torch.clone,
    "logical_not": torch.logical_not,
    "relu": torch.relu,
    "relu6": F.relu6,
    "round": torch.round,
    "sigmoid": torch.sigmoid,
    "sign": torch.sign,
    "silu": F.silu,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "softplus": F.softplus,
    "softsign": F.softsign,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
}
BINARY: dict[str, Function] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.true_divide,
    "floor_div": torch.floor_divide,
    "mod": torch.remainder,
    "pow": torch.pow,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "equal": torch.eq,
    "not_equal": torch.ne,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
}
OPERATORS.update({name: _unary(function) for name, function in UNARY.items()})
OPERATORS.update({name: _binary(function) for name, function in BINARY.items()})


@operator
def log(x: Tensor, epsilon: Tensor) -> Tensor:
    return torch.log(x + epsilon)


@operator
def rsqrt(x: Tensor, epsilon: Tensor) -> Tensor:
    return torch.rsqrt(x + epsilon)


@operator
def inverse(x: Tensor, epsilon: Tensor) -> Tensor:
    return torch.reciprocal(x + epsilon)


@operator
def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return torch.clamp(x, alpha, beta)


@operator
def threshold(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.maximum(x, alpha)


@operator
def thresholded_relu(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.where(x >= alpha, x, torch.zeros_like(x))


@operator
def clamped_relu(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return torch.minimum(torch.where(x >= 0, x, alpha * x), beta)


@operator
def leaky_relu(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.where(x >= 0, x, alpha * x)


@operator
def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    return F.prelu(x, alpha)


@operator
def elu(x: Tensor, alpha: Tensor) -> Tensor:
    return F.elu(x, float(alpha))


@operator
def gelu(x: Tensor, mode: str) -> Tensor:
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return F.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


@operator
def sigmoid_hard(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return torch.clamp(alpha * x + beta, 0, 1)


@operator
def linear_activation(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return alpha * x + beta


@operator
def scaled_tanh(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return alpha * torch.tanh(beta * x)


@operator
def softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    channels = [1, -1] + [1] * (x.ndim - 2)
    return alpha.reshape(channels) * F.softplus(beta.reshape(channels) * x)


@operator
def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(cond.bool(), a, b)


@operator
def cast(x: Tensor, dtype: str) -> Tensor:
    # the interpreter converts every result to the type the file declares; casts to integers cut towards zero
    return x.trunc() if x.is_floating_point() and "int" in dtype else x


def _along(parameter: Tensor, axis: Tensor | None, rank: int) -> Tensor:
    if axis is None or parameter.ndim == 0:
        return parameter.float()
    shape = [1] * rank
    shape[int(axis)] = -1
    return parameter.float().reshape(shape)


@operator
def quantize(
    input: Tensor, scale: Tensor, output_dtype: str, zero_point: Tensor | None = None, axis: Tensor | None = None
) -> Tensor:
    low, high = (-128, 127) if output_dtype == "int8" else (0, 255)
    offset = 0.0 if zero_point is None else _along(zero_point, axis, input.ndim)
    return torch.clamp(torch.round(input / _along(scale, axis, input.ndim)) + offset, low, high)


@operator
def dequantize(input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: Tensor | None = None) -> Tensor:
    offset = 0.0 if zero_point is None else _along(zero_point, axis, input.ndim)
    return (input.float() - offset) * _along(scale, axis, input.ndim)
