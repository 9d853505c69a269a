"""Memory formats of a program taken back: files know dimensions, not the order in which torch keeps them.

A channels-last program makes ExecuTorch's passes stop, or answer a tensor that an app reads in another order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeship.toolchain.model.rewriting import Place, Rewrite, rewrite

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node


def has_memory_format(program: ExportedProgram) -> bool:
    """Whether an operator or a weight of it lies in memory in another order than that of its dimensions."""
    return any(_format(node) for node in program.graph.nodes) or any(map(_is_turned, program.state_dict.values()))


def without_memory_format(module: GraphModule) -> bool:
    """Drop them in place; whether there were any. The module must be exported again."""
    import torch

    changed = rewrite(module, _rewrites())
    for name, weight in list(module.named_parameters()):
        if _is_turned(weight):
            owner, _, last = name.rpartition(".")
            plain = torch.nn.Parameter(
                weight.detach().clone(memory_format=torch.contiguous_format), requires_grad=weight.requires_grad
            )
            setattr(module.get_submodule(owner), last, plain)
            changed = True
    return changed


def _is_turned(weight: Any) -> bool:
    """By its strides: torch calls a 1×1 kernel contiguous in both orders, and its strides decide about the answer's."""
    import torch

    return bool(weight.dim() >= 4 and weight.stride() != torch.empty(weight.shape, device="meta").stride())


def _format(node: Node) -> Any:
    """The memory format that an operator is asked for, if it is another one than the usual."""
    import torch

    if node.op != "call_function":
        return None
    given = [*node.args, *node.kwargs.values()]
    turned = (torch.channels_last, torch.channels_last_3d)
    return next((value for value in given if isinstance(value, torch.memory_format) and value in turned), None)


def _rewrites() -> dict[Any, Rewrite]:
    import torch

    aten = torch.ops.aten
    copies = (aten.contiguous.default, aten.clone.default)
    casts = (aten.to.dtype, aten.to.dtype_layout, aten._to_copy.default)
    likes = (aten.empty_like.default, aten.zeros_like.default, aten.ones_like.default, aten.full_like.default)
    return {**dict.fromkeys(copies, _copy), **dict.fromkeys(casts, _cast), **dict.fromkeys(likes, _like)}


def _copy(place: Place, x: Any, *args: Any, **options: Any) -> Any:
    return x if _format(place.node) else None


def _cast(place: Place, x: Any, *args: Any, **options: Any) -> Any:
    import torch

    if not _format(place.node):
        return None
    dtype = place.node.meta["val"].dtype
    return x if place.value().dtype == dtype else torch.ops.aten.to.dtype(x, dtype)


def _like(place: Place, x: Any, *args: Any, **options: Any) -> Any:
    target: Any = place.node.target
    if not _format(place.node):
        return None
    return target(x, *args, **{key: value for key, value in options.items() if key != "memory_format"})
