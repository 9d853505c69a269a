"""Which module of the model an operator comes from that ONNX Runtime executes, by the origins kept beside the file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

_MADE = re.compile(r"(_nchwc|_token_\d+|_QuantizeLinear|_DequantizeLinear)+$")
"""What ONNX Runtime appends to the name of the node, or of the output, that it makes another one of."""


def modules(path: Path, origins: Mapping[str, Mapping[str, str]], names: Sequence[str]) -> dict[str, str]:
    """Name of an executed operator → module; those that nothing is known of are left out."""
    import onnx_ir as ir

    made_by = {value.name: node.name for node in ir.load(path).graph.all_nodes() for value in node.outputs}
    found = {}
    for name in names:
        plain = _MADE.sub("", name)
        origin = origins.get(plain) or origins.get(made_by.get(plain) or "") or {}
        if module := origin.get("module"):
            found[name] = module.removeprefix("model.")
    return found
