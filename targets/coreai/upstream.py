"""Writing and reading .aimodel assets: the young APIs of coreai-torch 0.4 and coreai-core 1.0 beta."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeship.targets.coreai.decompositions import lacking
from edgeship.toolchain.errors import missing_extra

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def coreai_torch() -> Any:
    """The package, its custom operators registered; MissingError with the install command where it is not installed."""
    try:
        import coreai_torch as package
        import coreai_torch._compression.custom_layers  # registers torch.ops.coreai
    except ImportError as error:
        raise missing_extra("coreai", "coreai-torch") from error
    return package


def save_asset(program: ExportedProgram, inputs: Sequence[str], outputs: Sequence[str], path: Path) -> None:
    """Convert and write an asset whose entry point `main` takes and answers tensors by these names.

    RELEASE mode keeps stack traces out of the file; the creation date and the producer are taken out of its metadata.
    """
    package = coreai_torch()
    converter = package.TorchConverter(mode=package.TorchConverter.Mode.RELEASE)
    decomposed = program.run_decompositions({**package.get_decomp_table(), **lacking()})
    converter.add_exported_program(decomposed, input_names=list(inputs), output_names=list(outputs))
    converter.to_coreai().save_asset(path)
    metadata = path / "metadata.json"
    kept = {
        key: value for key, value in json.loads(metadata.read_text()).items() if key not in ("creationDate", "producer")
    }
    metadata.write_text(json.dumps(kept, indent=2, sort_keys=True) + "\n")


@dataclass(frozen=True)
class AssetOperation:
    """One operator of `main`.

    `made_by` are the kinds of operators its inputs come from, looking through PASSED ("" for inputs of `main`).
    """

    kind: str
    name: str
    dtype: str
    bytes: int
    made_by: tuple[str, ...]


@dataclass(frozen=True)
class Asset:
    """Inputs and outputs of `main` as (name, dtype, shape; -1 where it may vary), and its operators."""

    inputs: list[tuple[str, str, list[int]]]
    outputs: list[tuple[str, str, list[int]]]
    operations: list[AssetOperation]


DTYPES = {
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i1": "bool",
    **{
        f"{sign}i{bits}": f"{'u' if sign == 'u' else ''}int{bits}" for sign in ("s", "u", "") for bits in (4, 8, 16, 32)
    },
}
PASSED = {"pad", "reshape", "transpose", "broadcast_to", "expand_dims", "squeeze"}
"""Operators that hand values on as they are."""
READABLE = ("float32", "float16", "int8", "uint8", "int32", "uint32")
_RESOURCE = re.compile(r'(\w+): "0x([0-9A-Fa-f]*)"')
_BLOB = re.compile(r"dense_resource<(\w+)>")
_TENSOR = re.compile(r"tensor<(?P<shape>(?:(?:\d+|\?)x)*)(?P<dtype>[a-z]\w*)>")


def read_asset(path: Path) -> Asset:
    """Read an .aimodel back; nothing of it is executed. A damaged one may end the process by SIGABRT."""
    try:
        from coreai.authoring import AIModelAsset
    except ImportError as error:
        raise missing_extra("coreai", "coreai-core") from error

    asset = AIModelAsset.load(path)
    described = asset.summary(include_statistics=False)
    program = asset.program  # kept: the graph does not hold on to it
    graph = program._get_graph("main")
    operations: list[AssetOperation] = []
    _collect(graph.bodyRegion, operations)
    taken = zip(described.function_inputs("main"), graph.arguments, strict=True)
    answered = zip(described.function_outputs("main"), list(_last(graph).operands), strict=True)
    return Asset(
        [(name, *_type(value.type)) for (name, _), value in taken],
        [(name, *_type(value.type)) for (name, _), value in answered],
        operations,
    )


@dataclass(frozen=True)
class Operands:
    """What one operator of `main` takes: arrays where they are stored, None where they are computed."""

    kind: str
    unsigned: bool
    """Whether it answers unsigned integers or reads them."""
    arrays: list[NDArray[Any] | None]


def read_operands(path: Path) -> list[Operands]:
    """Every operator of an .aimodel with the constants it takes (int4 as int8); nothing of it is executed."""
    from coreai.authoring import AIModelAsset

    program = AIModelAsset.load(path).program
    text = str(program._module)
    # large constants stand behind the graph: a word of alignment, then the bytes
    blobs = {name: bytes.fromhex(content)[4:] for name, content in _RESOURCE.findall(text[text.rfind("{-#") :])}
    found: list[Operands] = []

    def walk(region: Any) -> None:
        for block in region.blocks:
            for op in block.operations:
                if op.name != "coreai.constant":
                    types = [str(value.type) for value in (*list(op.operands)[:1], *op.results)]
                    unsigned = any("xui8" in each or "<ui8" in each for each in types)
                    found.append(Operands(_kind(op), unsigned, [_stored(value, blobs) for value in op.operands]))
                for inner in op.regions:
                    walk(inner)

    walk(program._get_graph("main").bodyRegion)
    return found


def read_added_to_roots(path: Path) -> list[float]:
    """The numbers that are added to what a root is taken of, in `main` and in what it calls (layer norms are graphs of
    their own)."""
    from coreai.authoring import AIModelAsset

    program = AIModelAsset.load(path).program
    graphs = [graph for graph in program._module._mlir_module.body.operations if hasattr(graph, "bodyRegion")]
    operators = [op for graph in graphs for block in graph.bodyRegion.blocks for op in block.operations]
    sums = [op.operands[0].owner for op in operators if _kind(op) in ("rsqrt", "sqrt")]
    arrays = [_stored(value, {}) for op in sums if _kind(op).endswith("add") for value in op.operands]
    return [float(array.flat[0]) for array in arrays if array is not None and array.size == 1]


def _stored(value: Any, blobs: dict[str, bytes]) -> NDArray[Any] | None:
    owner = value.owner
    if not hasattr(owner, "operands") or owner.name != "coreai.constant":
        return None
    attribute = next(iter(owner.attributes)).attr
    dtype, shape = _type(value.type)
    name = _BLOB.match(str(attribute)[:100])
    if name is None and dtype.endswith("int4"):  # numpy's view of one would end the process
        numbers = np.array([int(text) for text in re.findall(r"-?\d+", str(attribute).partition(" : ")[0])], np.int8)
        return np.broadcast_to(numbers.reshape(shape) if numbers.size == math.prod(shape) else numbers[:1], shape)
    if name is None:
        return np.array(attribute) if dtype in READABLE else None
    if dtype.endswith("int4"):  # two to a byte, the first in the lower half
        pairs = np.frombuffer(blobs[name[1]], np.uint8)
        halves = np.stack([pairs << 4, pairs & 0xF0], 1).reshape(-1).view(np.int8) >> 4
        return halves[: math.prod(shape)].reshape(shape)
    return np.frombuffer(blobs[name[1]], np.dtype(dtype)).reshape(shape)


def _last(graph: Any) -> Any:
    return list(graph.bodyRegion.blocks[0].operations)[-1]


def _collect(region: Any, operations: list[AssetOperation]) -> None:
    for block in region.blocks:
        for op in block.operations:
            made_by = tuple(_source(value) for value in op.operands)
            # what goes in says what is computed in: a comparison answers bool
            shown = [v for v in op.operands if _kind(v.owner) != "constant"] or list(op.results)
            dtype, shape = _type(shown[0].type) if shown else ("none", [])
            bits = int(re.sub(r"\D", "", dtype) or 8)
            size = -(-math.prod(shape) * bits // 8) if op.name == "coreai.constant" else 0
            name = f"{dtype}{list(shape)}"
            operations.append(AssetOperation(_kind(op), name, dtype, size, made_by))
            for inner in op.regions:
                _collect(inner, operations)


def _source(value: Any) -> str:
    kind = _kind(value.owner)
    return _source(value.owner.operands[0]) if kind in PASSED else kind


def _kind(owner: Any) -> str:
    return str(owner.name).rpartition(".")[2] if hasattr(owner, "operands") else ""


def _type(of: Any) -> tuple[str, list[int]]:
    match = _TENSOR.search(str(of))
    if match is None:
        return str(of), []
    shape = [-1 if size == "?" else int(size) for size in match["shape"].split("x") if size]
    return DTYPES.get(match["dtype"], match["dtype"]), shape
