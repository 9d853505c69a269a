"""torch.export program → ONNX graph: the exporter's call, its translations, the names of inputs and dimensions."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from edgeship.targets.onnx.translations import translations
from edgeship.toolchain.api import Context, EdgeshipError, Signature, conversion_error

if TYPE_CHECKING:
    import onnx_ir as ir
    from torch.export import ExportedProgram
    from torch.fx import Node

Table = Mapping[Any, Callable[..., Any]]
"""torch operator → onnxscript function, as torch.onnx.export takes it."""


def to_onnx(program: ExportedProgram, context: Context, opset: int, custom: Table | None = None) -> ir.Model:
    """Translate a folded program; inputs, outputs and dynamic dimensions get the signature's names.

    ExportError names the operator that has no translation.
    """
    import torch

    def convert(program: ExportedProgram) -> ir.Model:
        exported = torch.onnx.export(
            program,
            dynamo=True,
            opset_version=opset,
            custom_translation_table={**translations(opset), **(custom or {})},
            verbose=False,
        )
        assert exported is not None
        return exported.model

    _copy_attention(program)
    try:
        model = convert(program)
    except EdgeshipError:
        raise
    except Exception as error:
        raise conversion_error("torch.onnx", error, program, context, convert, _hint(error)) from error
    _name_tensors(model, context.signature)
    _name_dimensions(model, context.signature)
    return model


def _copy_attention(program: ExportedProgram) -> None:
    """Let views of what attention answers be views of a copy, in place.

    Taken apart it lies in memory in another order than torch's fused kernel leaves it in, and the view would not fit.
    """
    import torch

    aten = torch.ops.aten
    for node in list(program.graph.nodes):
        if node.target in (aten.view.default, aten.reshape.default) and _is_attention(node.args[0]):
            with program.graph.inserting_before(node):
                options = {"memory_format": torch.contiguous_format}
                copy = program.graph.call_function(aten.clone.default, (node.args[0],), options)
            copy.meta = dict(node.args[0].meta)
            node.update_arg(0, copy)
    program.graph_module.recompile()


def _is_attention(node: Node) -> bool:
    while str(node.target).startswith(("aten.transpose", "aten.permute")):
        node = node.args[0]  # type: ignore[assignment]
    return str(node.target).startswith("aten.scaled_dot_product_attention")


def _hint(error: Exception) -> str:
    missing = "No ONNX function found for" in str(error)
    return "write the operator and name it in the target's option custom_ops" if missing else ""


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
