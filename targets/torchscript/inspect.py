"""`edgeship inspect FILE` for torch's files: .pt, .ptl and .pt2."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from edgeship.targets.torchscript.graph import compute_dtypes, constants, operators
from edgeship.toolchain.api import EdgeshipError

LARGEST = 20


def inspect_file(path: Path) -> dict[str, Any]:
    """What is in a TorchScript file or a .pt2: keys format, inputs, outputs, operators, dtypes, largest, backends.

    Raises EdgeshipError when torch cannot load it.
    """
    return _program(path) if path.suffix == ".pt2" else _script(path)


def _script(path: Path) -> dict[str, Any]:
    import torch

    try:
        module = torch.jit.load(str(path), map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError) as error:
        raise EdgeshipError(f"{path}: is not TorchScript that torch can load ({error})", "export it again") from error
    graph = module.inlined_graph
    inputs = [value for value in graph.inputs() if value.type().kind() == "TensorType"]
    stored = sorted(constants(graph), key=lambda item: -item[2])
    stored += [(name, str(p.dtype).removeprefix("torch."), p.nbytes) for name, p in module.state_dict().items()]
    return {
        "format": "torchscript_lite" if path.suffix == ".ptl" else "torchscript",
        "inputs": [{"name": value.debugName(), "dtype": None, "shape": None} for value in inputs],
        "outputs": [{"name": value.debugName(), "dtype": None, "shape": None} for value in graph.outputs()],
        "operators": dict(operators(graph).most_common()),
        "dtypes": compute_dtypes(graph, ["float32"] * len(inputs)),
        "largest": [[name, size] for name, _, size in sorted(stored, key=lambda item: -item[2])[:LARGEST]],
        "backends": {"torch": operators(graph).total()},
    }


def _program(path: Path) -> dict[str, Any]:
    import torch

    # a PT2E program only loads once its operators are registered
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401

    try:
        program = torch.export.load(path)
    except Exception as error:
        raise EdgeshipError(f"{path}: is not a program torch can load ({error})", "export it again") from error
    signature = program.graph_signature
    nodes = {node.name: node for node in program.graph.nodes}
    calls = [node for node in program.graph.nodes if node.op == "call_function" and isinstance(_dtype(node), str)]
    moves = ("quantize", "_to_copy", "view", "permute", "reshape", "clone", "getitem", "expand", "slice", "sym_size")
    dtypes = Counter(_dtype(node) for node in calls if not any(move in str(node.target) for move in moves))
    stored = {**program.state_dict, **program.constants}
    tensors = [(name, value.nbytes) for name, value in stored.items() if isinstance(value, torch.Tensor)]
    return {
        "format": "torch",
        "inputs": [_described(nodes[name]) for name in signature.user_inputs if name in nodes],
        "outputs": [_described(nodes[name]) for name in signature.user_outputs if name in nodes],
        "operators": dict(Counter(str(node.target) for node in calls).most_common()),
        "dtypes": dict(dtypes),
        "largest": [[name, size] for name, size in sorted(tensors, key=lambda item: -item[1])[:LARGEST]],
        "backends": {"torch": len(calls)},
    }


def _dtype(node: Any) -> str | None:
    value = node.meta.get("val")
    return str(value.dtype).removeprefix("torch.") if hasattr(value, "dtype") else None


def _described(node: Any) -> dict[str, Any]:
    value = node.meta.get("val")
    shape = [int(size) if isinstance(size, int) else str(size) for size in getattr(value, "shape", ())]
    return {"name": node.name, "dtype": _dtype(node), "shape": shape}
