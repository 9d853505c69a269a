"""torch.export program → ONNX graph: the exporter's call, its translations, the names of inputs and dimensions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from edgeship.targets.onnx.translations import translations
from edgeship.toolchain.api import EdgeshipError, ExportError, Signature

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch.export import ExportedProgram

Table = Mapping[Any, Callable[..., Any]]
"""torch operator → onnxscript function, as torch.onnx.export takes it."""


def to_onnx(program: ExportedProgram, signature: Signature, opset: int, custom: Table | None = None) -> ir.Model:
    """Translate a folded program; inputs, outputs and dynamic dimensions get the signature's names.

    ExportError names the operator that has no translation.
    """
    import torch

    try:
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=opset,
            custom_translation_table={**translations(opset), **(custom or {})},
            verbose=False,
        )
    except EdgeshipError:
        raise
    except Exception as error:
        raise _explain(error) from error
    assert exported is not None
    _name_tensors(exported.model, signature)
    _name_dimensions(exported.model, signature)
    return exported.model


def _explain(error: Exception) -> ExportError:
    text = str(error)
    missing = re.search(r"No ONNX function found for <OpOverload\(op='([^']+)'", text)
    if missing:
        return ExportError(
            f"ONNX has no operator for {missing[1]}", "write one and name it in the target's option custom_ops"
        )
    lines = [line for line in text.splitlines() if line.strip()]
    return ExportError(
        f"torch.onnx cannot take the program: {lines[0] if lines else type(error).__name__}",
        "see the log for torch's full report",
    )


def _name_tensors(model: ir.Model, signature: Signature) -> None:
    """Give inputs and outputs the signature's names; an inner value that has such a name gets another one."""
    ends = (*model.graph.inputs, *model.graph.outputs)
    names = [tensor.name for tensor in (*signature.inputs, *signature.outputs)]
    for value in _values(model):
        if value.name in names:
            value.name = f"{value.name}_inner"
    for value, name in zip(ends, names, strict=True):
        value.name = name


def _values(model: ir.Model) -> list[ir.Value]:
    found = {id(value): value for value in (*model.graph.inputs, *model.graph.initializers.values())}
    for node in model.graph.all_nodes():
        found.update({id(value): value for value in node.outputs})
        if node.graph is not None:
            found.update({id(value): value for value in node.graph.inputs})
    return list(found.values())


def _name_dimensions(model: ir.Model, signature: Signature) -> None:
    """Write the signature's dimension names wherever torch wrote its symbols (s77, 2*s77)."""
    import onnx_ir as ir

    names: dict[str, str] = {}
    for value, tensor in zip(model.graph.inputs, signature.inputs, strict=True):
        for dim, name in zip(value.shape or (), tensor.shape, strict=True):
            if isinstance(dim, ir.SymbolicDim) and isinstance(name, str):
                names[str(dim.value)] = name
    if not names:
        return
    symbol = re.compile("|".join(rf"\b{re.escape(name)}\b" for name in names))
    for value in _values(model):
        if value.shape is not None:
            value.shape = ir.Shape(
                [
                    symbol.sub(lambda found: names[found[0]], str(dim.value))
                    if isinstance(dim, ir.SymbolicDim)
                    else dim
                    for dim in value.shape
                ]
            )
