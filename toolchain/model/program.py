"""Modules become programs here: the flat calling convention, torch.export, saving, loading and folding."""

from __future__ import annotations

import functools
import inspect
import linecache
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.errors import EdgeshipError, ExportError
from edgeship.toolchain.model.libraries import register_operators
from edgeship.toolchain.model.portable import portable
from edgeship.toolchain.model.rewriting import Rewrite, rewrite
from edgeship.toolchain.plugin import Signature

if TYPE_CHECKING:
    import torch
    from torch import nn
    from torch.export import ExportedProgram
    from torch.fx import GraphModule


@functools.cache
def _flat_class() -> type[nn.Module]:
    import torch

    class Flat(torch.nn.Module):
        """Positional tensors in, a tuple of tensors out, whatever the wrapped module takes and answers."""

        def __init__(self, model: torch.nn.Module, positional: int, keywords: Sequence[str]) -> None:
            super().__init__()
            self.model = model
            self._positional = positional
            self._keywords = tuple(keywords)

        def named(self, *args: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
            """The outputs with the names the wrapped module gives them."""
            keywords = dict(zip(self._keywords, args[self._positional :], strict=True))
            return named_outputs(self.model(*args[: self._positional], **keywords))

        def forward(self, *args: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return tuple(tensor for _, tensor in self.named(*args))

    return Flat


def flatten(model: nn.Module, positional: int, keywords: Sequence[str] = ()) -> nn.Module:
    """Wrap a module so that it takes `positional` tensors, then `keywords` in order, and answers a flat tuple."""
    return _flat_class()(model, positional, keywords)


def named_outputs(value: Any, prefix: str = "") -> list[tuple[str, torch.Tensor]]:
    """Tensors of a tensor, (nested) tuple, list, dict or ModelOutput in order, with their names.

    A dict's keys are its names, a tuple's items are `output_0`, `output_1` …, a lone tensor is `output`.
    """
    import torch

    if isinstance(value, torch.Tensor):
        return [(prefix or "output", value)]
    if value is None:
        return []
    if isinstance(value, Mapping):
        pairs = [(f"{prefix}_{key}" if prefix else str(key), item) for key, item in value.items()]
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        pairs = [(f"{prefix}_{key}" if prefix else key, getattr(value, key)) for key in value._fields]
    elif isinstance(value, list | tuple):
        pairs = [(f"{prefix or 'output'}_{index}", item) for index, item in enumerate(value)]
    else:
        raise ExportError(
            f"the model answers a {type(value).__name__} where a tensor is needed",
            "return tensors, or tuples, lists and dicts of tensors",
        )
    return [named for name, item in pairs for named in named_outputs(item, name)]


def dynamic_example(
    example: Sequence[torch.Tensor], signature: Signature
) -> tuple[tuple[torch.Tensor, ...], dict[str, Any] | None]:
    """Inputs to trace with and torch.export's `dynamic_shapes`.

    torch specializes sizes 0 and 1, so a dynamic dimension of size 1 is repeated to 2.
    """
    import torch
    from torch.export import Dim

    if not signature.is_dynamic:
        return tuple(example), None
    dims = {name: Dim(name, min=max(low, 1), max=high) for name, (low, high) in signature.dims.items()}
    inputs, shapes = [], []
    for value, tensor in zip(example, signature.inputs, strict=True):
        spec = {}
        for axis, size in enumerate(tensor.shape):
            if isinstance(size, str):
                spec[axis] = dims[size]
                if value.shape[axis] == 1:
                    value = torch.cat([value, value], dim=axis)
        inputs.append(value)
        shapes.append(spec)
    return tuple(inputs), {"args": tuple(shapes)}


def export(module: nn.Module, example: Sequence[torch.Tensor], signature: Signature) -> ExportedProgram:
    """torch.export of a flat module with the signature's dynamic dimensions, in operators that all converters take.

    Raises ExportError that names the module, the source line and the remedy.
    """
    import torch

    inputs, dynamic_shapes = dynamic_example(example, signature)
    if dynamic_shapes and "args" not in inspect.signature(module.forward).parameters:
        dynamic_shapes = dynamic_shapes["args"]  # a graph module's inputs stand one by one, a Flat's in *args
    try:
        with torch.no_grad():
            program = torch.export.export(module, inputs, dynamic_shapes=dynamic_shapes)
            if (rewritten := portable(program)) is not None:
                shapes = dynamic_shapes["args"] if dynamic_shapes and "args" in dynamic_shapes else dynamic_shapes
                program = torch.export.export(rewritten, inputs, dynamic_shapes=shapes)
    except EdgeshipError:
        raise
    except Exception as error:
        raise explain(error, module) from error
    _forget_provenance(program)
    return program


def _forget_provenance(program: ExportedProgram) -> None:
    """Drop the nodes' history: it holds memory addresses, so two processes would store different bytes."""
    import torch

    for module in program.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                node.meta.pop("from_node", None)


REMEDIES = {  # words in torch's message → what to do; the first that occurs wins
    "data-dependent": "the values of a tensor decide here: use torch.where, torch.cond (both branches), or give the "
    "deciding number as an argument of the factory",
    "Constraints violated": "the model fixes a size that the recipe calls dynamic: declare the size as a number, or "
    "change the code that depends on it",
    ".numpy()": "stay in torch operators: numpy cannot be traced",
    "mark_dynamic": "the model fixes a size that the recipe calls dynamic: declare the size as a number",
    "meta": "an operator of this module has no shape rule: register one with torch.library.register_fake",
    "fake": "an operator of this module has no shape rule: register one with torch.library.register_fake",
}


def explain(error: Exception, module: nn.Module | None = None) -> ExportError:
    """An ExportError that names the part of `module` and the source line where torch.export stopped, and a remedy."""
    import torch

    names = {id(part): name for name, part in module.named_modules()} if module is not None else {}
    part = line = ""
    for frame, number in traceback.walk_tb(error.__traceback__):
        owner = frame.f_locals.get("self")
        if isinstance(owner, torch.nn.Module) and id(owner) in names:
            part = names[id(owner)].removeprefix("model").removeprefix(".") or part
        file = frame.f_code.co_filename
        if "/torch/" not in file and file != __file__ and Path(file).is_file():
            line = f"{file}:{number}: {linecache.getline(file, number).strip()}"
    reason = str(error).strip().splitlines() or [type(error).__name__]
    # a violated constraint is named in the lines below the first
    said = " ".join(text.strip(" -") for text in reason[:3] if text.strip())[:400]
    within = f" (in {part})" if part else ""
    at = f" at {line}" if module is None or part else ""
    hint = next(
        (remedy for word, remedy in REMEDIES.items() if word in str(error)), "see torch's full report in the log"
    )
    return ExportError(f"torch.export cannot take the model{within}{at}: {said}", hint)


def save(program: ExportedProgram, path: Path) -> None:
    """Write a .pt2."""
    import torch

    torch.export.save(program, path)


def load(path: Path) -> ExportedProgram:
    """Read a .pt2; EdgeshipError when it is corrupt or its operators belong to a library that is not installed."""
    import torch

    # a PT2E program only loads once its operators are registered
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401

    register_operators(path)
    try:
        return torch.export.load(path)
    except Exception as error:
        raise EdgeshipError(f"{path}: not a program torch can load ({error})", "export it again") from error


def folded(
    program: ExportedProgram,
    signature: Signature,
    example: Sequence[torch.Tensor],
    rewrite: Callable[[GraphModule], object] = lambda module: None,
) -> ExportedProgram:
    """The program with its quantized weights stored as integers; programs without quantization come back equal.

    `rewrite` edits the folded module in place before it is exported again.
    """
    from edgeship.toolchain.quantization.upstream import fold_weights

    module: Any = program.module()
    fold_weights(module)
    rewrite(module)
    return export(module, example, signature)


def rewritten(
    program: ExportedProgram,
    signature: Signature,
    example: Sequence[torch.Tensor],
    rewrites: Mapping[Any, Rewrite],
) -> ExportedProgram:
    """The program with these operators rewritten; the same one where none of them needs it."""
    if not any(node.target in rewrites for node in program.graph.nodes):
        return program
    module: Any = program.module(check_guards=False)
    return export(module, example, signature) if rewrite(module, rewrites) else program
