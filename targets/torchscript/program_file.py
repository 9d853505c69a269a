"""Reads a .pt2 without torch: its loader evaluates texts and pickles of the file, which may be anybody's."""

from __future__ import annotations

import json
import math
import re
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeship.targets.torchscript import harmless

# torch._export.serde.schema.ScalarType; tests/unit/test_upstream_torch.py compares them
DTYPES = {
    1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
    9: "complex32", 10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16",
    29: "float8_e4m3fn", 30: "float8_e5m2", 31: "float8_e4m3fnuz", 32: "float8_e5m2fnuz", 33: "float8_e8m0fnu",
    34: "uint32", 35: "uint64",
}  # fmt: skip
ITEM_BYTES = {"bool": 1, "bfloat16": 2, "complex32": 4, "complex64": 8, "complex128": 16}
_SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)")


@dataclass(frozen=True)
class Value:
    """A tensor of the graph; a dynamic size is the text of its expression."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class ProgramFile:
    """What the archive says: inputs and outputs, nodes that answer a tensor as (operator, dtype), stored tensors."""

    inputs: list[Value]
    outputs: list[Value]
    nodes: list[tuple[str, str]]
    stored: list[tuple[str, int]]
    """(name, bytes)"""


def read(path: Path) -> ProgramFile:
    """The first program of a .pt2 archive; KeyError, ValueError (Harmful) or BadZipFile when it is damaged."""
    with zipfile.ZipFile(path) as archive:
        harmless.check(archive)
        names = archive.namelist()
        model = next((name for name in names if re.search(r"/models/[^/]+\.json$", name)), None)
        if model is None:
            raise ValueError("no program in it; torch before 2.8 wrote another format")
        module = json.loads(archive.read(model))["graph_module"]
        configs = [json.loads(archive.read(name))["config"] for name in names if name.endswith("_config.json")]
    graph = module["graph"]
    values = {name: _value(name, meta) for name, meta in graph["tensor_values"].items()}
    answers = [(node["target"].removeprefix("torch.ops."), _first(node["outputs"])) for node in graph["nodes"]]
    return ProgramFile(
        inputs=[values[n] for n in _user_tensors(module["signature"]["input_specs"], "user_input") if n in values],
        outputs=[values[n] for n in _user_tensors(module["signature"]["output_specs"], "user_output") if n in values],
        nodes=[(operator, values[name].dtype) for operator, name in answers if name in values],
        stored=[
            (name, _bytes(_value(name, entry["tensor_meta"])))
            for config in configs
            for name, entry in config.items()
            if entry.get("tensor_meta")
        ],
    )


def _value(name: str, meta: dict[str, Any]) -> Value:
    return Value(name, DTYPES.get(meta["dtype"], "unknown"), tuple(_size(size) for size in meta["sizes"]))


def _size(size: dict[str, Any]) -> int | str:
    if "as_int" in size:
        return int(size["as_int"])
    return _SYMBOL.sub(r"\1", str(size["as_expr"]["expr_str"]))


def _user_tensors(specs: list[dict[str, Any]], kind: str) -> list[str]:
    arguments = [spec[kind]["arg"] for spec in specs if kind in spec]
    return [argument["as_tensor"]["name"] for argument in arguments if "as_tensor" in argument]


def _first(outputs: list[dict[str, Any]]) -> str:
    """The tensor that a node answers, the first of several."""
    for output in outputs:
        if "as_tensor" in output:
            return str(output["as_tensor"]["name"])
        if output.get("as_tensors"):
            return str(output["as_tensors"][0]["name"])
    return ""


def _bytes(value: Value) -> int:
    bits = re.search(r"\d+", value.dtype)
    item = ITEM_BYTES.get(value.dtype) or (int(bits[0]) // 8 if bits else 0)
    return item * math.prod(size for size in value.shape if isinstance(size, int))
