"""Loading the user's model: from a factory with weights, from a stored program or from TorchScript."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.errors import EdgeshipError, ExportError, SourceError, first_line
from edgeship.toolchain.model.signature import example
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.references import load_callable

if TYPE_CHECKING:
    from torch import nn


def load(source: ModelSource, base: Path) -> nn.Module:
    """The model as a flat module in eval mode, weights loaded; relative paths are taken from the folder `base`.

    Raises SourceError, or MissingError for a package that is not installed.
    """
    from edgeship.toolchain.model.program import flatten

    keywords = [value.name for value in source.inputs if value.keyword]
    module = _from_program(source, base) if source.factory is None else from_factory(source, base)
    flat = flatten(module, len(source.inputs) - len(keywords), keywords)
    flat.training = False
    return flat


def from_factory(source: ModelSource, base: Path) -> nn.Module:
    """The factory's own module in eval mode, weights loaded; raises as `load` does."""
    import torch

    from edgeship.toolchain.model.weights import load_weights

    assert source.factory is not None
    factory = load_callable(source.factory, base)
    torch.manual_seed(0)  # what the factory draws at random is the same in every run
    try:
        module = factory(*_resolved(source.positional, base), **_resolved(source.arguments, base))
    except EdgeshipError:
        raise
    except Exception as error:
        raise _factory_failed(source.factory, factory, error) from error
    if not isinstance(module, torch.nn.Module):
        raise SourceError(f"{source.factory} answers a {type(module).__name__}", "it must return an nn.Module")
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        raise SourceError(f"{source.factory}: parameters lie on the meta device", "build the model on the CPU")
    module = module.cpu()
    if source.weights is not None:
        load_weights(
            module,
            base / source.weights,
            source.weights_key,
            source.strip_prefix,
            source.allow_missing,
            source.allow_unexpected,
        )
    module.eval()
    training = [name or "the model" for name, part in module.named_modules() if part.training]
    if training:
        raise SourceError(
            f"{source.factory}: eval() leaves {', '.join(training[:5])} in train mode",
            "its train() or eval() is overridden: let it reach every part",
        )
    return module


def _resolved(arguments: Any, base: Path) -> Any:
    """Strings that begin with ./ or ../ are paths from the recipe's folder."""
    if isinstance(arguments, dict):
        return {name: _resolved(value, base) for name, value in arguments.items()}
    if isinstance(arguments, tuple | list):
        return type(arguments)(_resolved(value, base) for value in arguments)
    return (
        str((base / arguments).resolve()) if isinstance(arguments, str) and arguments[:2] in ("./", "..") else arguments
    )


def _factory_failed(reference: str, factory: Callable[..., Any], error: Exception) -> SourceError:
    import inspect
    import traceback

    last = traceback.extract_tb(error.__traceback__)[-1]
    try:
        takes = f"it takes {inspect.signature(factory)}"
    except (TypeError, ValueError):
        takes = "see the log"
    place = f" at {last.filename}:{last.lineno}" if last.filename != __file__ else ""
    return SourceError(f"{reference} failed{place}: {type(error).__name__}: {error}", takes[:400])


def _from_program(source: ModelSource, base: Path) -> nn.Module:
    from torchao.quantization.pt2e import allow_exported_model_train_eval

    from edgeship.toolchain.model import program

    assert source.program is not None
    path = base / source.program
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file", "correct `program`")
    try:
        exported = program.load(path) if path.suffix == ".pt2" else _from_torchscript(source, path)
    except (SourceError, ExportError):
        raise
    except EdgeshipError as error:
        raise SourceError(str(error), error.hint) from error
    if any("quantize" in str(node.target) for node in exported.graph.nodes):
        raise SourceError(f"{path}: this program is quantized already", "give the float program")
    module = exported.module()
    allow_exported_model_train_eval(module)  # as it comes, train() and eval() raise
    module.eval()
    return module


def _from_torchscript(source: ModelSource, path: Path) -> Any:
    import torch

    from edgeship.toolchain.model.program import named_outputs
    from edgeship.toolchain.model.upstream import program_from_torchscript

    try:
        module = torch.jit.load(path, map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise SourceError(
            f"{path}: not a TorchScript program ({first_line(error)})", "save it again with torch.jit.save"
        ) from error
    way_out = "give the Python model it was made from as `factory`, with its weights; or a .pt2 from torch.export"
    try:
        with torch.no_grad():
            exported = program_from_torchscript(module, example(source))
    except Exception as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()] or [type(error).__name__]
        raise ExportError(
            f"{path}: torch cannot convert this TorchScript program ({lines[0][:200]})", way_out
        ) from error
    for seed in (0, 1, 2):  # the converter is experimental: believe only what it computes
        inputs = example(source, seed=seed)
        with torch.no_grad():
            wanted, given = named_outputs(module(*inputs)), named_outputs(exported.module()(*inputs))
        if not all(
            a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-3 * float(a.abs().max()))
            for (_, a), (_, b) in zip(wanted, given, strict=True)
        ):
            raise ExportError(f"{path}: what torch converts this TorchScript program to answers differently", way_out)
    return exported
