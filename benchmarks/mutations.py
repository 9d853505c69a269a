"""Ways to break a program that leave it a program: one wrong number, operand, axis or layer, each at a drawn place.

The list follows FetaFix (arXiv 2312.15101): what converters were seen to get wrong, and what people do before them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import torch
from torch.fx import GraphModule, Node

aten = torch.ops.aten
quantized = torch.ops.quantized_decomposed
ACTIVATIONS = (aten.relu.default, aten.hardtanh.default, aten.gelu.default, aten.silu.default, aten.sigmoid.default,
               aten.tanh.default, aten.relu_.default, aten.hardtanh_.default)  # fmt: skip
Mutation = Callable[[GraphModule, random.Random], bool]
"""Changes a program in place; False where there is nothing of that kind in it."""


def _nodes(module: GraphModule, targets: Iterable[object]) -> list[Node]:
    return [node for node in module.graph.nodes if node.target in tuple(targets)]


def _parameters(module: GraphModule, least: int, most: int) -> list[torch.Tensor]:
    return [p for _, p in module.named_parameters() if least <= p.dim() <= most and p.numel() > 1]


def _times(factor: float) -> Mutation:
    def weight(module: GraphModule, draw: random.Random) -> bool:
        found = _parameters(module, 2, 5)
        if found:
            draw.choice(found).data.mul_(factor)
        return bool(found)

    return weight


def _zero_channel(module: GraphModule, draw: random.Random) -> bool:
    found = [p for p in _parameters(module, 2, 5) if p.shape[0] > 1]
    if found:
        weight = draw.choice(found)
        weight.data[draw.randrange(len(weight))] = 0
    return bool(found)


def _shift_bias(module: GraphModule, draw: random.Random) -> bool:
    found = _parameters(module, 1, 1)
    if found:
        bias = draw.choice(found)
        bias.data.add_(0.1 * float(bias.data.abs().max()))
    return bool(found)


def _older_checkpoint(module: GraphModule, draw: random.Random) -> bool:
    random_ = torch.Generator().manual_seed(draw.randrange(1 << 30))
    for weight in _parameters(module, 1, 5):
        weight.data.add_(0.01 * weight.data.std() * torch.randn(weight.shape, generator=random_))
    return True


def _zero_point(module: GraphModule, draw: random.Random) -> bool:
    found = _nodes(module, [quantized.dequantize_per_tensor.default])
    if found:
        node = draw.choice(found)
        x, scale, zero_point, low, high, *rest = node.args
        node.args = (x, scale, zero_point + 1 if zero_point < high else zero_point - 1, low, high, *rest)
    return bool(found)


def _scale(module: GraphModule, draw: random.Random) -> bool:
    found = _nodes(module, [quantized.dequantize_per_tensor.default, quantized.dequantize_per_channel.default])
    if not found:
        return False
    node = draw.choice(found)
    scale = node.args[1]
    if isinstance(scale, Node):
        with module.graph.inserting_before(node):
            scale = module.graph.call_function(aten.mul.Tensor, (scale, 1.02))
        node.update_arg(1, scale)
    else:
        node.update_arg(1, scale * 1.02)
    return True


def _epsilon(module: GraphModule, draw: random.Random) -> bool:
    found = _nodes(module, [aten.batch_norm.default, aten.layer_norm.default])
    if found:
        node = draw.choice(found)
        index = 7 if node.target is aten.batch_norm.default else 4
        args = [*node.args, *[None] * (index + 1 - len(node.args))]
        args[index] = 1e-3
        if index == 4 and len(node.args) < 4:
            return False
        node.args = tuple(args)
    return bool(found)


def _swap_outputs(module: GraphModule, draw: random.Random) -> bool:
    output = next(node for node in module.graph.nodes if node.op == "output")
    answers = list(output.args[0])
    if len(answers) < 2:
        return False
    output.args = ((answers[1], answers[0], *answers[2:]),)
    return True


def _softmax_axis(module: GraphModule, draw: random.Random) -> bool:
    found = _nodes(module, [aten.softmax.int, aten._softmax.default])
    if found:
        draw.choice(found).update_arg(1, -2)
    return bool(found)


def _input_channels(module: GraphModule, draw: random.Random) -> bool:
    image = next(node for node in module.graph.nodes if node.op == "placeholder")
    if image.meta["val"].dim() != 4 or image.meta["val"].shape[1] != 3:
        return False
    with module.graph.inserting_after(image):
        turned = module.graph.call_function(aten.flip.default, (image, [1]))
    image.replace_all_uses_with(turned, delete_user_cb=lambda user: user is not turned and user.op != "call_module")
    return True


def _normalization(module: GraphModule, draw: random.Random) -> bool:
    """The subtraction and the division that the image goes through first."""
    image = next(node for node in module.graph.nodes if node.op == "placeholder")
    found = _nodes(module, [aten.div.Tensor])
    if image.meta["val"].dim() != 4 or not found:
        return False
    last = found[0]
    last.replace_all_uses_with(image)
    return True


def _activation(module: GraphModule, draw: random.Random) -> bool:
    found = _nodes(module, ACTIVATIONS)
    if found:
        node = draw.choice(found)
        node.replace_all_uses_with(node.args[0])
    return bool(found)


def _subtraction(module: GraphModule, draw: random.Random) -> bool:
    found = [node for node in _nodes(module, [aten.sub.Tensor]) if isinstance(node.args[1], Node)]
    if found:
        node = draw.choice(found)
        node.args = (node.args[1], node.args[0], *node.args[2:])
    return bool(found)


def _padding(module: GraphModule, draw: random.Random) -> bool:
    """All of it on one side, as TensorFlow's SAME has it for some sizes."""
    found = [node for node in _nodes(module, [aten.conv2d.default]) if len(node.args) > 4 and any(node.args[4])]
    if found:
        node = draw.choice(found)
        rows, columns = node.args[4]
        with module.graph.inserting_before(node):
            padded = module.graph.call_function(aten.pad.default, (node.args[0], [0, 2 * columns, 0, 2 * rows]))
        node.args = (padded, *node.args[1:4], [0, 0], *node.args[5:])
    return bool(found)


MUTATIONS: dict[str, Mutation] = {
    "a weight × 1.05": _times(1.05),
    "a weight × 0.97": _times(0.97),
    "a channel zeroed": _zero_channel,
    "a bias shifted": _shift_bias,
    "a zero point off by one": _zero_point,
    "a scale × 1.02": _scale,
    "an epsilon": _epsilon,
    "two outputs swapped": _swap_outputs,
    "softmax over another axis": _softmax_axis,
    "input channels swapped": _input_channels,
    "normalization missing": _normalization,
    "an activation dropped": _activation,
    "a subtraction's operands swapped": _subtraction,
    "padding on one side": _padding,
    "an older checkpoint": _older_checkpoint,
}


def mutate(module: GraphModule, kind: str, seed: str) -> bool:
    """Break a program in place; False where it has nothing that could be broken in this way."""
    changed = MUTATIONS[kind](module, random.Random(f"{kind} {seed}"))
    if changed:
        module.graph.eliminate_dead_code()
        module.recompile()
    return changed
