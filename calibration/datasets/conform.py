"""What users have becomes Samples that fit the model, or an error that says where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.api import Array, DataError, Samples, Signature, Tensor


def conform(inputs: Any, labels: Any, signature: Signature, place: str) -> Samples:
    """Samples with the model's names, shapes and dtypes.

    `inputs` maps input names to arrays, or is the array of the only input; `fit` says which shapes and dtypes they may
    have. `place` says in errors where the data came from. DataError for wrong names, shapes, dtypes, different lengths,
    no samples and NaN or infinity.
    """
    names = [tensor.name for tensor in signature.inputs]
    if not isinstance(inputs, Mapping):
        if len(names) != 1:
            raise DataError(f"{place}: one array for {len(names)} inputs", f"give a dict with {', '.join(names)}")
        inputs = {names[0]: inputs}
    if missing := [name for name in names if name not in inputs]:
        raise DataError(
            f"{place}: no data for input {', '.join(missing)} (it has {', '.join(map(str, inputs)) or 'nothing'})",
            f"the model's inputs are {', '.join(names)}",
        )
    arrays = {tensor.name: fit(inputs[tensor.name], tensor, signature, place) for tensor in signature.inputs}
    count = len(next(iter(arrays.values())))
    truth = None if labels is None else as_array(labels, f"{place}: labels")
    lengths = {name: len(array) for name, array in arrays.items()}
    if truth is not None:
        lengths["labels"] = len(truth) if truth.ndim else 0
    if any(length != count for length in lengths.values()):
        raise DataError(f"{place}: different numbers of samples {lengths}", "give every input one row per sample")
    check_dynamic_sizes(arrays, signature, place)
    return Samples(arrays, truth)


def as_array(value: Any, place: str) -> Array:
    """Numbers of any kind (torch on any device, numpy, lists) as a numpy array; DataError for anything else."""
    try:
        if isinstance(value, tuple | list) and any(hasattr(item, "detach") for item in value):
            value = np.stack([as_array(item, place) for item in value])
        array: Array = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
        if array.dtype == object:
            raise ValueError("objects")
    except (TypeError, ValueError) as error:  # rows of different lengths; dtypes that numpy does not have
        raise DataError(
            f"{place}: not an array of numbers ({error})", "give samples of one shape, or pad them"
        ) from error
    return array


def is_single(array: Array, tensor: Tensor, signature: Signature) -> bool:
    """Whether an array is one sample rather than n of them: by its number of axes, for sizes can coincide."""
    axes = len(tensor.shape)
    return array.ndim < axes if _has_batch(tensor, signature) else array.ndim == axes


def fit(value: Any, tensor: Tensor, signature: Signature, place: str) -> Array:
    """Samples of one input as [n, *input shape], in its dtype.

    Taken are [n, *input shape], one sample of the input's shape, and, where its first dimension is the batch (1, or a
    dynamic one that may be 1), both without it. Floats may change their width and integers too where no value is lost;
    between the two kinds nothing is converted. DataError for other shapes and dtypes, no samples, NaN and infinity.
    """
    place = f"{place}: input {tensor.name}"
    array = as_array(value, place)
    if not array.size:
        raise DataError(f"{place}: no samples (shape {list(array.shape)})", "check the path and the function")
    rows = array[None] if is_single(array, tensor, signature) else array
    if rows.ndim == len(tensor.shape) and _has_batch(tensor, signature):
        rows = rows[:, None]
    if rows.ndim != len(tensor.shape) + 1 or not all(map(_fits(signature), rows.shape[1:], tensor.shape)):
        wanted = ", ".join(map(str, tensor.shape))
        raise DataError(
            f"{place}: shape {list(array.shape)} where [n, {wanted}] is needed",
            "give one row per sample, of the model's own shape",
        )
    return _cast(rows, tensor.dtype, place)


def _has_batch(tensor: Tensor, signature: Signature) -> bool:
    first = tensor.shape[0] if tensor.shape else None
    return first == 1 or (isinstance(first, str) and signature.dims.get(first, (1, 1))[0] <= 1)


def _fits(signature: Signature) -> Any:
    def fits(size: int, wanted: int | str) -> bool:
        if isinstance(wanted, int):
            return size == wanted
        low, high = signature.dims.get(wanted, (1, size))
        return low <= size <= high

    return fits


def _cast(array: Array, dtype: str, place: str) -> Array:
    try:
        wanted = np.dtype(dtype)
    except TypeError as error:
        raise DataError(f"{place}: numpy has no {dtype}", "declare float32 and let the model cast") from error
    kinds = {"f": "float", "i": "integer", "u": "integer", "b": "bool"}
    if kinds.get(array.dtype.kind) != kinds.get(wanted.kind):
        hint = "scale stored pixel values as in training" if wanted.kind == "f" else f"give {dtype} values"
        raise DataError(f"{place}: {array.dtype} where {dtype} is needed", hint)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        bad = ~np.isfinite(array).reshape(len(array), -1).all(1)
        raise DataError(
            f"{place}: NaN or infinity in {bad.sum()} of {len(array)} samples, first in sample {bad.argmax()}",
            "remove these samples or repair what makes them",
        )
    with np.errstate(over="ignore"):  # checked below
        cast: NDArray[Any] = array.astype(wanted)
    if array.dtype.kind in "iu" and not np.array_equal(cast, array):
        raise DataError(f"{place}: values up to {array.max()} do not fit {dtype}", f"give {dtype} values")
    if wanted.kind == "f" and not np.isfinite(cast).all():
        raise DataError(f"{place}: values up to {np.abs(array).max()} do not fit {dtype}", f"give {dtype} values")
    return cast


def check_dynamic_sizes(arrays: dict[str, Array], signature: Signature, place: str) -> None:
    """DataError where one dynamic dimension has two sizes."""
    sizes: dict[str, int] = {}
    for tensor in signature.inputs:
        for name, size in zip(tensor.shape, arrays[tensor.name].shape[1:], strict=True):
            if isinstance(name, str) and sizes.setdefault(name, size) != size:
                raise DataError(
                    f"{place}: dimension {name} is {sizes[name]} in one input and {size} in {tensor.name}",
                    "give inputs of one size",
                )
