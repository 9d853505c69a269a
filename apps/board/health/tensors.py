"""Golden numbers as a file's tensors have them: which is which, and integers by scale and zero point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def names(artifact: Mapping[str, Any], side: str) -> list[str]:
    """The model's names of an artifact's `inputs` or `outputs`, in order."""
    return [tensor["name"] for tensor in artifact[side]]


def positions(wanted: Sequence[str], found: Sequence[str]) -> list[int]:
    """For each of `wanted` its index in `found`: by name where all are there, else by position; ValueError."""
    if set(wanted) <= set(found):
        return [found.index(name) for name in wanted]
    if len(wanted) != len(found):
        raise ValueError(f"the file has {', '.join(found)}; the manifest names {', '.join(wanted)}")
    return list(range(len(found)))


def stored(array: Any, tensor: Mapping[str, Any]) -> Any:
    """The model's numbers as the file takes them."""
    import numpy

    dtype = numpy.dtype(tensor["dtype"])
    if (given := tensor.get("quantization")) and array.dtype.kind == "f":
        limits = numpy.iinfo(dtype)
        steps = numpy.rint(array.astype("float64") / given["scale"]) + given["zero_point"]
        array = numpy.clip(steps, limits.min, limits.max)
    return numpy.ascontiguousarray(array, dtype)


def real(array: Any, tensor: Mapping[str, Any]) -> Any:
    """A file's answer as the model's numbers."""
    given = tensor.get("quantization")
    if given is None or array.dtype.kind == "f":
        return array.astype("float64")
    return (array.astype("float64") - given["zero_point"]) * given["scale"]
