"""`edgeship inspect FILE` for torch's files: .pt, .ptl and .pt2."""

from __future__ import annotations

import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

from edgeship.targets.torchscript import harmless, program_file
from edgeship.targets.torchscript.constants import constants
from edgeship.targets.torchscript.engines import opened
from edgeship.targets.torchscript.graph import compute_dtypes, operators, stored_tensors
from edgeship.toolchain.api import EdgeshipError

__all__ = ["constants", "inspect_file"]

LARGEST = 20


def inspect_file(path: Path) -> dict[str, Any]:
    """What is in a TorchScript file or a .pt2: keys format, inputs, outputs, operators, dtypes, largest, backends; of a
    script the `backend` that phones have for it.

    Raises EdgeshipError when torch cannot load it.
    """
    return _program(path) if path.suffix == ".pt2" else _script(path)


def _script(path: Path) -> dict[str, Any]:
    lite = path.suffix == ".ptl"
    try:
        module = opened(path)
    except (RuntimeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0].partition(". ")[0]  # torch goes on about checkpoints
        raise EdgeshipError(f"{path}: is not TorchScript that torch can load ({reason})", "export it again") from error
    graph = module.inlined_graph
    inputs = [value for value in graph.inputs() if value.type().kind() == "TensorType"]
    stored = sorted(stored_tensors(graph), key=lambda item: -item[2])
    stored += [(name, str(p.dtype).removeprefix("torch."), p.nbytes) for name, p in module.state_dict().items()]
    dtypes = compute_dtypes(graph, ["float32"] * len(inputs))
    return {
        "format": "torchscript_lite" if lite else "torchscript",
        "backend": "qnnpack" if lite and dtypes.get("int8") else "cpu",
        "inputs": [{"name": value.debugName(), "dtype": None, "shape": None} for value in inputs],
        "outputs": [{"name": name, "dtype": None, "shape": None} for name in _outputs(graph)],
        "operators": dict(operators(graph).most_common()),
        "dtypes": dtypes,
        "largest": [[name, size] for name, _, size in sorted(stored, key=lambda item: -item[2])[:LARGEST]],
        "backends": {"torch": operators(graph).total()},
    }


def _outputs(graph: Any) -> list[str]:
    """The names of what a graph answers: the values a tuple, list or dict is made of, one by one."""

    def names(value: Any) -> list[str]:
        node = value.node()
        if node.kind() == "prim::DictConstruct":  # key, value, key, value
            items = list(node.inputs())
            keys = [key.toIValue() or key.debugName() for key in items[::2]]
            return [str(key) for key, item in zip(keys, items[1::2], strict=True) for _ in names(item)]
        if node.kind() in ("prim::TupleConstruct", "prim::ListConstruct"):
            return [name for item in node.inputs() for name in names(item)]
        return [value.debugName()]

    return [name for value in graph.outputs() for name in names(value)]


def _program(path: Path) -> dict[str, Any]:
    try:
        program = program_file.read(path)
    except harmless.Harmful as error:
        hint = "export it again, from a model that you trust"
        raise EdgeshipError(f"{path}: torch's loader would run what it says: {error}", hint) from error
    except (KeyError, ValueError, TypeError, AttributeError, OSError, zipfile.BadZipFile) as error:
        raise EdgeshipError(f"{path}: is not a program torch can load ({error})", "export it again") from error
    moves = ("quantize", "_to_copy", "view", "permute", "reshape", "clone", "getitem", "expand", "slice", "sym_size")
    dtypes = Counter(dtype for name, dtype in program.nodes if not any(move in name for move in moves))
    return {
        "format": "torch",
        "inputs": [_described(value) for value in program.inputs],
        "outputs": [_described(value) for value in program.outputs],
        "operators": dict(Counter(name for name, _ in program.nodes).most_common()),
        "dtypes": dict(dtypes),
        "largest": [[name, size] for name, size in sorted(program.stored, key=lambda item: -item[1])[:LARGEST]],
        "backends": {"torch": len(program.nodes)},
    }


def _described(value: program_file.Value) -> dict[str, Any]:
    return {"name": value.name, "dtype": value.dtype, "shape": list(value.shape)}
