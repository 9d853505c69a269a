"""What users' functions and loaders give becomes Samples: whole arrays, or an iterable of batches or single samples.

One *item* is a tensor (of the only input), a tuple or list (the inputs in order, then the labels where there are any),
a dict (inputs by name, "labels" beside them) or (inputs, labels) with the inputs in a tuple or dict of their own. Each
input of an item is n samples or one sample: `conform.fit` tells by its number of axes. A function or a caller gives
one item that holds everything, or what yields items: a list, a generator, a DataLoader, a map-style or iterable
Dataset.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from numbers import Number
from typing import Any

import numpy as np

from edgeship.calibration.datasets.conform import as_array, check_dynamic_sizes, conform, fit, is_single
from edgeship.toolchain.api import Array, DataError, EdgeshipError, Samples, Signature

MOST = 4096
"""Samples taken from what has no length (a generator may never end) where nobody says how many."""
LABELS = ("labels", "label")
NEEDED = (
    "give a tensor, (inputs, labels) or a dict of inputs by name, with all samples; or what yields them in batches or"
    " one by one: a list, generator, DataLoader or Dataset"
)


@dataclass(frozen=True)
class _Part:
    """The samples of one item: inputs [k, *input shape] and labels [k, …]."""

    inputs: dict[str, Array]
    labels: Array | None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


def collect(given: Any, signature: Signature, limit: int | None, place: str) -> Samples:
    """All samples of what a user gave, or the first `limit`: then nothing after them is asked for.

    `place` says in errors where it came from. DataError says what was given and what is needed.
    """
    if isinstance(given, Samples):
        fitting = conform(given.inputs, given.labels, signature, place)
        samples = replace(fitting, synthetic=given.synthetic, warnings=given.warnings)
        return samples if limit is None else samples.take(range(min(limit, len(samples))))
    whole = _is_item(given, len(signature.inputs))
    may_never_end = limit is None and not whole and _length(given) is None
    parts: list[_Part] = []
    warnings: tuple[str, ...] = ()
    count = 0
    for number, item in enumerate([given] if whole else _items(given, place)):
        if may_never_end and count >= MOST:
            warnings = (f"{place}: took the first {count} samples of what may not end; `samples = N` takes others",)
            break
        parts.append(_part(item, signature, place if whole else f"{place}: item {number}"))
        count += len(parts[-1])
        if limit is not None and count >= limit:
            break
    if not parts:
        raise DataError(f"{place}: no samples ({_what(given)} that yields nothing)", NEEDED)
    samples = _joined(parts, signature, place, warnings)
    return samples if limit is None or count <= limit else samples.take(range(limit))


def _is_item(given: Any, inputs: int) -> bool:
    """Whether this is one item that holds everything; a list is so only where it cannot be a list of items."""
    if isinstance(given, list):
        return _numbers(given) or (inputs > 1 and len(given) in (inputs, inputs + 1) and all(map(_is_array, given)))
    return isinstance(given, Mapping | tuple) or _is_array(given)


def _is_array(value: Any) -> bool:
    is_class = isinstance(value, type)
    return not is_class and (isinstance(value, Number) or hasattr(value, "__array__") or _numbers(value))


def _numbers(value: Any) -> bool:
    """Whether a list is an array written out, not a list of items."""
    return isinstance(value, list) and (not value or isinstance(value[0], Number) or _numbers(value[0]))


def _length(given: Any) -> int | None:
    try:
        return len(given)
    except (TypeError, NotImplementedError):  # a DataLoader over an iterable Dataset has len(), which fails
        return None


def _items(given: Any, place: str) -> Iterator[Any]:
    iterable = hasattr(given, "__iter__") or hasattr(given, "__getitem__")
    if isinstance(given, str | bytes | type) or not iterable:
        raise DataError(f"{place}: {_what(given)}, which holds no samples", NEEDED)
    # the sequence protocol of a map-style Dataset ends only at an IndexError, which many never raise
    by_position = not hasattr(given, "__iter__") and _length(given) is not None
    items: Iterable[Any] = (given[index] for index in range(len(given))) if by_position else given
    try:
        yield from items
    except EdgeshipError:
        raise
    except Exception as error:
        raise DataError(
            f"{place}: {type(error).__name__}: {error}", "iterate over it by itself and correct it"
        ) from error


def _part(item: Any, signature: Signature, place: str) -> _Part:
    given, label = _split(item, [tensor.name for tensor in signature.inputs], place)
    arrays = {name: as_array(value, f"{place}: input {name}") for name, value in given.items()}
    rows = {tensor.name: fit(arrays[tensor.name], tensor, signature, place) for tensor in signature.inputs}
    counts = {name: len(array) for name, array in rows.items()}
    labels = None
    if label is not None:
        labels = as_array(label, f"{place}: labels")
        if labels.ndim == 0 or all(is_single(arrays[t.name], t, signature) for t in signature.inputs):
            labels = labels[None]  # of one sample
        counts["labels"] = len(labels)
    if len(set(counts.values())) > 1:
        raise DataError(f"{place}: different numbers of samples {counts}", "give every input one row per sample")
    check_dynamic_sizes(rows, signature, place)
    return _Part(rows, labels)


def _split(item: Any, names: list[str], place: str) -> tuple[dict[str, Any], Any]:
    """An item's inputs by name, and its labels or None."""
    if isinstance(item, Mapping):
        key = next((key for key in LABELS if key in item and key not in names), None)
        inputs = {name: value for name, value in item.items() if name != key}
        if len(names) == len(inputs) == 1:
            inputs = {names[0]: next(iter(inputs.values()))}  # nothing to confuse
        if missing := [name for name in names if name not in inputs]:
            raise DataError(
                f"{place}: no data for input {', '.join(missing)} (it has {', '.join(map(str, item)) or 'nothing'})",
                f"the model's inputs are {', '.join(names)}",
            )
        return {name: inputs[name] for name in names}, None if key is None else item[key]
    if isinstance(item, tuple | list) and not _numbers(item):
        if 1 <= len(item) <= 2 and _are_inputs(item[0], len(names)):
            inputs, labels = _split(item[0], names, place)
            return inputs, item[1] if len(item) == 2 else labels
        if not len(names) <= len(item) <= len(names) + 1:
            one = f"the {len(names)} inputs" if len(names) > 1 else "the input"
            raise DataError(f"{place}: {len(item)} values", f"give {one} ({', '.join(names)}), then labels if any")
        return dict(zip(names, item, strict=False)), item[len(names)] if len(item) > len(names) else None
    if not _is_array(item):
        raise DataError(f"{place}: {_what(item)}, which is no sample", NEEDED)
    if len(names) > 1:
        raise DataError(f"{place}: one array for {len(names)} inputs", f"give a tuple or dict of {', '.join(names)}")
    return {names[0]: item}, None


def _are_inputs(value: Any, inputs: int) -> bool:
    """Whether the first of two values holds all inputs itself, as in ((ids, mask), labels)."""
    if isinstance(value, Mapping):
        return True
    of_kind = isinstance(value, tuple if inputs == 1 else tuple | list)
    return of_kind and not _numbers(value) and len(value) == inputs


def _joined(parts: list[_Part], signature: Signature, place: str, warnings: tuple[str, ...]) -> Samples:
    inputs = {t.name: _concatenated([part.inputs[t.name] for part in parts], t.name, place) for t in signature.inputs}
    labels = [part.labels for part in parts if part.labels is not None]
    if labels and len(labels) < len(parts):
        raise DataError(
            f"{place}: {len(parts) - len(labels)} of {len(parts)} items have no labels", "label all or none"
        )
    return Samples(inputs, _concatenated(labels, "labels", place) if labels else None, warnings=warnings)


def _concatenated(arrays: list[Array], what: str, place: str) -> Array:
    shapes = sorted({array.shape[1:] for array in arrays})
    if len(shapes) > 1:
        different = " and ".join(str(list(shape)) for shape in shapes[:2])
        raise DataError(f"{place}: {what}: samples of different shapes, {different}", "give one shape, or pad them")
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]


def _what(given: Any) -> str:
    if given is None:
        return "None"
    if isinstance(given, type):
        return f"the class {given.__name__}"
    kind = type(given).__name__
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"
