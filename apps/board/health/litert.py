"""LiteRT, on the CPU by XNNPACK."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import Arrays, Run
from .tensors import names, positions


def is_installed() -> bool:
    """Whether its package is."""
    return find_spec("ai_edge_litert") is not None


def load(file: Path, artifact: Mapping[str, Any]) -> Run:
    """options: xnnpack (false: reference kernels)."""
    from ai_edge_litert import interpreter as litert

    kinds = litert.OpResolverType
    kind = (
        kinds.AUTO
        if artifact["runtime"].get("options", {}).get("xnnpack", True)
        else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    interpreter = litert.Interpreter(str(file), experimental_op_resolver_type=kind)
    takes, gives = names(artifact, "inputs"), names(artifact, "outputs")
    inputs, outputs = _tensors(interpreter, "input", takes), _tensors(interpreter, "output", gives)

    def run(sample: Arrays) -> Arrays:
        for name, place in inputs.items():
            interpreter.resize_tensor_input(place, sample[name].shape)
        interpreter.allocate_tensors()
        for name, place in inputs.items():
            interpreter.set_tensor(place, sample[name])
        interpreter.invoke()
        return {name: interpreter.get_tensor(place) for name, place in outputs.items()}

    return run


def _tensors(interpreter: Any, side: str, wanted: list[str]) -> dict[str, int]:
    """Tensor indices by the model's names: those of the only signature if it has these names, else the graph's."""
    details = getattr(interpreter, f"get_{side}_details")()
    found = {detail["name"]: detail["index"] for detail in details}
    if len(interpreter.get_signature_list()) == 1:
        runner = interpreter.get_signature_runner()
        named = {name: detail["index"] for name, detail in getattr(runner, f"get_{side}_details")().items()}
        if set(wanted) <= set(named):
            found = named
    places = list(found.values())
    return {name: places[place] for name, place in zip(wanted, positions(wanted, list(found)), strict=True)}
