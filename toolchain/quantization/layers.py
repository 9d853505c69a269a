"""Which layer of the user's model a node of its program comes from, and what a pass makes of it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING

from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.quant import FLOAT32, QuantSpec

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node

Change = Callable[["Node"], QuantSpec]
"""What a pass turns a node into; float32 where it leaves the node as it is."""


def layer_of(node: Node) -> str:
    """The path of the module whose forward made this node: 'features.3.conv'; empty for the model itself."""
    stack = list(node.meta.get("nn_module_stack", {}).values())
    path = str(stack[-1][0]) if stack else ""
    wrapper, _, inside = path.partition(".")  # programs are exported from a wrapper that holds the user's `model`
    return inside if wrapper == "model" else path


def change(module: GraphModule, before: QuantSpec, after: QuantSpec) -> Change:
    """What a pass turns each node of a program into, when it takes the program from `before` to `after`.

    EdgeshipError that names the nearest modules when a part names none of the program's.
    """
    layers = {layer_of(node) for node in module.graph.nodes if node.op == "call_function"}
    for pattern in after.unmatched(layers):
        paths = sorted({path for layer in layers for path in _around(layer)})
        near = difflib.get_close_matches(pattern, paths, cutoff=0.5)
        shown = near or [path for path in paths if "." not in path]
        raise EdgeshipError(
            f"the part {pattern!r} names no module of the model",
            f"{'the nearest are' if near else 'its modules are'} {', '.join(shown)}; wildcards are * and ?",
        )

    def made_of(node: Node) -> QuantSpec:
        layer = layer_of(node)
        return after.at(layer) if before.at(layer) == FLOAT32 else FLOAT32

    return made_of


def _around(layer: str) -> list[str]:
    """A module's path and those around it, from the outside."""
    steps = layer.split(".") if layer else []
    return [".".join(steps[: count + 1]) for count in range(len(steps))]
