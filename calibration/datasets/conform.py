"""What users have becomes Samples that fit the model, or an error that says where it does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolchain.api import Array, DataError, Samples, Signature, Tensor


def conform(inputs: Any, labels: Any, signature: Signature, place: str) -> Samples:
    """Samples with the model's names, shapes and dtypes.

    `inputs` maps input names to arrays, or is the array of the only input. An array has shape [n, *input shape] or,
    where the input's first dimension is the batch, [n, *input shape without it]. Floats may change their width and
    integers too where no value is lost; between the two kinds nothing is converted. `place` says in errors where the
    data came from. DataError for wrong names, shapes, dtypes, different lengths, no samples and NaN or infinity.
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
    arrays = {
        tensor.name: _fit(_array(inputs[tensor.name], place), tensor, signature, place) for tensor in signature.inputs
    }
    count = len(next(iter(arrays.values())))
    truth = None if labels is None else _array(labels, f"{place}: labels")
    lengths = {name: len(array) for name, array in arrays.items()}
    if truth is not None:
        lengths["labels"] = len(truth) if truth.ndim else 0
    if any(length != count for length in lengths.values()):
        raise DataError(f"{place}: different numbers of samples {lengths}", "give every input one row per sample")
    _check_dynamic_sizes(arrays, signature, place)
    return Samples(arrays, truth)


def _array(value: Any, place: str) -> Array:
    try:
        array: Array = value.detach().cpu().numpy() if hasattr(value, "detach") else np.asarray(value)
        if array.dtype == object:
            raise ValueError("objects")
    except ValueError as error:  # numpy refuses rows of different lengths
        raise DataError(
            f"{place}: not an array of numbers ({error})", "give samples of one shape, or pad them"
        ) from error
    return array


def _fit(array: Array, tensor: Tensor, signature: Signature, place: str) -> Array:
    place = f"{place}: input {tensor.name}"
    if not array.size:
        raise DataError(f"{place}: no samples (shape {list(array.shape)})", "check the path and the function")
    rows = array
    first = tensor.shape[0] if tensor.shape else None
    if array.ndim == len(tensor.shape) and (first == 1 or isinstance(first, str)):
        rows = array[:, None]
    if rows.ndim != len(tensor.shape) + 1 or not all(map(_fits(signature), rows.shape[1:], tensor.shape)):
        wanted = ", ".join(map(str, tensor.shape))
        raise DataError(
            f"{place}: shape {list(array.shape)} where [n, {wanted}] is needed",
            "give one row per sample, of the model's own shape",
        )
    return _cast(rows, tensor.dtype, place)


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


def _check_dynamic_sizes(arrays: dict[str, Array], signature: Signature, place: str) -> None:
    sizes: dict[str, int] = {}
    for tensor in signature.inputs:
        for name, size in zip(tensor.shape, arrays[tensor.name].shape[1:], strict=True):
            if isinstance(name, str) and sizes.setdefault(name, size) != size:
                raise DataError(
                    f"{place}: dimension {name} is {sizes[name]} in one input and {size} in {tensor.name}",
                    "give inputs of one size",
                )
