"""Trained weights from files as people have them: found, read without running code, and fitted into a module."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.errors import SourceError, first_line

if TYPE_CHECKING:
    from torch import Tensor, nn

SHOWN = 8  # names listed in an error before it says how many more there are
WRAPPERS = ("module.", "_orig_mod.")  # DataParallel's and torch.compile's


def load_weights(
    module: nn.Module,
    path: Path,
    key: str | None = None,
    strip_prefix: str = "",
    allow_missing: Sequence[str] = (),
    allow_unexpected: Sequence[str] = (),
) -> None:
    """Put the weights of a .safetensors or torch checkpoint into `module`, in place.

    `key` is the dotted place of the state dict in a checkpoint ('state_dict', 'ema.model'); it may be left out where
    only one fits. `allow_missing` and `allow_unexpected` are patterns of names ('head.*') that may differ.
    Raises SourceError when the file cannot be read, wants to run code, or does not fit.
    """
    names = set(module.state_dict())
    state = _find(read(path), key, names, strip_prefix, path)
    _fit(module, _renamed(state, names, strip_prefix), path, strip_prefix, allow_missing, allow_unexpected)


def read(path: Path) -> Any:
    """The content of a weights file; torch's unpickler builds tensors and plain values only, never runs code."""
    import pickle

    import torch

    if not path.is_file():
        raise SourceError(f"{path}: there is no such file", "correct `weights`")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        with torch.serialization.safe_globals(_plain_values()):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise _refused(path, error) from error
    except Exception as error:
        if "TorchScript" in str(error):
            hint = "give it as `program` instead of `weights`"
            raise SourceError(f"{path}: this is a TorchScript program, not a state dict", hint) from error
        raise _unreadable(path, error) from error


def _plain_values() -> list[Any]:
    """What lies beside the weights in real checkpoints, and is only data: options, numpy scalars, paths."""
    import argparse
    import pathlib

    import numpy as np
    from numpy._core import multiarray

    kinds = ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?", "U1", "S1", "O")
    values: list[Any] = [argparse.Namespace, np.dtype, np.ndarray, *{type(np.dtype(kind)) for kind in kinds}]
    for module in ("numpy._core.multiarray", "numpy.core.multiarray"):  # numpy 2 and numpy 1 wrote these names
        values += [(multiarray.scalar, f"{module}.scalar"), (multiarray._reconstruct, f"{module}._reconstruct")]
    for module in ("pathlib", "pathlib._local"):  # Python 3.13 writes the second; another system's paths stay pure
        values += [(pathlib.PurePosixPath, f"{module}.PosixPath"), (pathlib.PureWindowsPath, f"{module}.WindowsPath")]
    return values


def _refused(path: Path, error: Exception) -> SourceError:
    import torch

    try:
        with torch.serialization.safe_globals(_plain_values()):
            wanted = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # an old or damaged file: torch's own words must do
        wanted = [text.split()[0].rstrip(",") for text in str(error).split("GLOBAL ")[1:2]]
    if not wanted:
        return _unreadable(path, error)
    return SourceError(
        f"{path}: refused, because reading it would run code: its pickle wants {_listed(sorted(wanted))}",
        "where it was trained, store the weights alone: torch.save(model.state_dict(), path), or safetensors",
    )


def _unreadable(path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"{path}: not weights that can be read ({first_line(error)})",
        f"it has {path.stat().st_size} bytes: corrupt, truncated, or not a .safetensors/.pt/.pth/.ckpt file",
    )


def _tensors(content: Any) -> dict[str, Tensor] | None:
    """The tensors of a state dict, or None where `content` is something else."""
    import torch

    if not isinstance(content, Mapping) or not all(isinstance(name, str) for name in content):
        return None
    tensors = {name: value for name, value in content.items() if isinstance(value, torch.Tensor)}
    extra = {name for name in content if name.endswith("_extra_state")}
    return tensors if tensors and len(tensors) + len(extra) >= len(content) else None


def _state_dicts(content: Any, place: str = "", depth: int = 0) -> Iterator[tuple[str, dict[str, Tensor]]]:
    tensors = _tensors(content)
    if tensors is not None:
        yield place, tensors
    elif isinstance(content, Mapping) and depth < 4:
        for name, value in content.items():
            if isinstance(name, str):
                yield from _state_dicts(value, f"{place}.{name}" if place else name, depth + 1)


def _find(content: Any, key: str | None, names: set[str], strip_prefix: str, path: Path) -> dict[str, Tensor]:
    """The state dict at `key`, or the only one whose names are the model's."""
    found = dict(_state_dicts(content))
    if key is not None:
        if key not in found:
            known = f"it has {', '.join(repr(place) for place in found)}" if found else "it holds no state dict"
            raise SourceError(f"{path}: there is no state dict at {key!r}", f"correct `weights_key`: {known}")
        return found[key]
    if not found:
        raise SourceError(f"{path}: holds no state dict (a {type(content).__name__})", "store model.state_dict()")
    if len(found) == 1:
        return next(iter(found.values()))
    fitting = {place: state for place, state in found.items() if names & set(_renamed(state, names, strip_prefix))}
    if len(fitting) == 1:
        return next(iter(fitting.values()))
    choices = ", ".join(repr(place) for place in fitting or found)
    raise SourceError(f"{path}: holds several state dicts: {choices}", "choose one with `weights_key`")


def _renamed(state: Mapping[str, Tensor], names: set[str], strip_prefix: str) -> dict[str, Tensor]:
    """The state with the prefixes of wrappers removed, except where the model itself has them."""

    def bare(name: str) -> str:
        if strip_prefix and name.startswith(strip_prefix):
            name = name[len(strip_prefix) :]
        while name not in names and (wrapper := next((w for w in WRAPPERS if name.startswith(w)), None)):
            name = name[len(wrapper) :]
        # parts that were compiled on their own carry the wrapper's name in the middle
        return name if name in names else name.replace("._orig_mod.", ".")

    return {bare(name): tensor for name, tensor in state.items()}


def _fit(
    module: nn.Module,
    state: dict[str, Tensor],
    path: Path,
    strip_prefix: str,
    allow_missing: Sequence[str],
    allow_unexpected: Sequence[str],
) -> None:
    own = module.state_dict(keep_vars=True)
    broken = [name for name, tensor in state.items() if tensor.is_floating_point() and not tensor.isfinite().all()]
    if broken:
        raise SourceError(f"{path}: NaN or infinite values in {_listed(broken)}", "take an earlier checkpoint")
    shapes = [
        f"{name} is {list(state[name].shape)}, the model's is {list(tensor.shape)}"
        for name, tensor in own.items()
        if name in state and state[name].shape != tensor.shape
    ]
    if shapes:
        raise SourceError(f"{path}: {_listed(shapes)}", "give the factory the arguments the weights were trained with")
    missing, unexpected = module.load_state_dict(state, strict=False)
    loaded = {id(own[name]) for name in state if name in own}
    missing = [n for n in missing if id(own[n]) not in loaded and not _matches(n, allow_missing)]  # tied: loaded once
    unexpected = [name for name in unexpected if not _matches(name, allow_unexpected)]
    if missing or unexpected:
        parts = [f"lacks {_listed(missing)}"] * bool(missing) + [f"has {_listed(unexpected)} besides"] * bool(
            unexpected
        )
        raise SourceError(
            f"{path}: does not fit the model: it {', and '.join(parts)}", _remedy(missing, unexpected, strip_prefix)
        )


def _remedy(missing: list[str], unexpected: list[str], strip_prefix: str) -> str:
    """The prefix that would make names fit, or near matches, or how to allow the difference."""
    for name in unexpected:
        for wanted in missing:
            if name.endswith(f".{wanted}") and not strip_prefix:
                return f"names carry a prefix: strip_prefix = {name.removesuffix(wanted)!r}"
    for wanted in missing:
        if near := difflib.get_close_matches(wanted, unexpected, n=1, cutoff=0.8):
            return f"{near[0]!r} looks like {wanted!r}: was the model built with other arguments?"
    allowed = [("allow_missing", missing), ("allow_unexpected", unexpected)]
    named = " and ".join(f"{option} = [{', '.join(map(repr, names[:3]))}]" for option, names in allowed if names)
    return f"give the arguments the weights were trained with, or name what may differ: {named} (patterns work)"


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
