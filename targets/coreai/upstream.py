"""Writing and reading .aimodel assets: the young APIs of coreai-torch 0.4 and coreai-core 1.0 beta."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
