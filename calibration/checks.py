"""Warnings when calibration data looks wrong: quantization ranges are only as good as what they were taken from."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from edgeship.toolchain.api import Array, Samples

# int8 digits, SQNR over four random choices: 24–26 dB from 4 samples, 26–31 from 8, 27–34 from 16, 33–34 from 32
FEW = 32
# 16 random samples of each of the three examples against their evaluation data: widths differ by at most 1.14,
# means by 0.06 deviations; a forgotten ImageNet normalization makes 4.5
WIDTH_RATIO = 2.0
SHIFT = 1.0
TAILS = ((0.001, 0.999), (0.02, 0.98))
NEARLY = 0.01
"""Samples that vary by less, relative to their size, are as good as constant: their ranges say nothing."""
EXACT_IN_FLOAT32 = 1 << 24
"""Whole numbers above it have neighbours that float32 cannot tell apart."""


def check_calibration(calibration: Samples, evaluation: Samples | None = None) -> list[str]:
    """What looks wrong about calibration samples, in sentences; empty when nothing does.

    Looks for too few samples, samples that are (nearly) equal or (nearly) constant in themselves, one class only, ids
    that float32 cannot hold, (per input, where there is evaluation data) another range: values that were not scaled or
    normalized alike, and whether the evaluation data are the same samples, or missing: then a file is judged on what
    its ranges come from.
    """
    warnings = []
    if len(calibration) < FEW:
        warnings.append(f"calibration has {len(calibration)} samples: ranges from fewer than {FEW} depend on chance")
    if len(calibration) > 1 and all(_all_equal(array) for array in calibration.inputs.values()):
        warnings.append(f"all {len(calibration)} calibration samples are equal: the ranges are those of one sample")
    elif len(calibration) > 1 and all(_nearly_equal(array) for array in calibration.inputs.values()):
        warnings.append(
            f"all {len(calibration)} calibration samples are nearly equal: they differ by less than {NEARLY:.0%} of "
            "their size, and the ranges are those of one sample"
        )
    for name, array in calibration.inputs.items():
        warnings += _check_input(name, array, evaluation.inputs.get(name) if evaluation else None)
    if evaluation is None:
        warnings.append("judged on its own calibration data: what it loses on other inputs is not known")
    else:
        warnings += _check_labels(calibration.labels, evaluation.labels)
        if shared := _shared(calibration, evaluation):
            warnings.append(
                f"judged on its own calibration data: {shared} of {len(evaluation)} evaluation samples are in both"
            )
    return warnings


def _check_input(name: str, array: Array, evaluation: Array | None) -> list[str]:
    if array.dtype.kind not in "fiu":
        return []
    warnings = []
    flat = array.reshape(len(array), -1).astype(np.float64)
    constant = (flat == flat[:, :1]).all(1) if flat.shape[1] > 1 else np.zeros(len(flat), dtype=bool)
    # a mask of ones is an ordinary input: only floats are expected to vary
    if constant.any() and array.dtype.kind == "f":
        warnings.append(f"input {name}: {constant.sum()} of {len(flat)} calibration samples are one constant value")
    elif array.dtype.kind == "f" and flat.shape[1] > 1 and (nearly := _nearly_constant(flat)).any():
        warnings.append(
            f"input {name}: {nearly.sum()} of {len(flat)} calibration samples are nearly one constant value: they vary "
            f"by less than {NEARLY:.0%} of their size"
        )
    if array.dtype.kind == "f" and np.abs(flat).max(initial=0) > EXACT_IN_FLOAT32 and (flat == np.round(flat)).all():
        warnings.append(
            f"input {name}: whole numbers up to {np.abs(flat).max():.0f} in float32, which holds each only up to "
            f"{EXACT_IN_FLOAT32}: give ids as integers"
        )
    if evaluation is not None and evaluation.dtype.kind == array.dtype.kind:
        warnings += _compare(name, flat, evaluation.reshape(-1).astype(np.float64))
    elif evaluation is None and array.dtype.kind == "f" and _looks_like_pixels(flat):
        warnings.append(f"input {name}: whole numbers up to {flat.max():.0f} look like pixels that were not scaled")
    return warnings


def _compare(name: str, calibration: NDArray[np.float64], evaluation: NDArray[np.float64]) -> list[str]:
    # single outliers say nothing: the width between two quantiles does, and where rare spikes lie between the outer
    # two, that between the inner ones
    low, high = np.quantile(calibration, TAILS[0])
    true_low, true_high = np.quantile(evaluation, TAILS[0])
    width, true_width = high - low, true_high - true_low
    ranges = f"calibration values lie in {low:.3g} … {high:.3g}, evaluation values in {true_low:.3g} … {true_high:.3g}"
    if width <= 0 or true_width <= 0:
        return [f"input {name}: {ranges}"] if width != true_width or low != true_low else []
    ratio = width / true_width
    if 1 / WIDTH_RATIO <= ratio <= WIDTH_RATIO:
        shift = abs(float(calibration.mean()) - float(evaluation.mean())) / float(evaluation.std())
        return [f"input {name}: {ranges}; their means are {shift:.1f} deviations apart"] if shift > SHIFT else []
    if any(_alike(calibration, evaluation, tails) for tails in TAILS[1:]):
        return []
    factor = ratio if ratio > 1 else 1 / ratio
    scaled = "; one of the two was not scaled to 0 … 1" if 100 < factor < 400 else ""
    return [f"input {name}: {ranges}, {factor:.3g} times {'wider' if ratio > 1 else 'narrower'}{scaled}"]


def _alike(calibration: NDArray[np.float64], evaluation: NDArray[np.float64], tails: tuple[float, float]) -> bool:
    """Whether both lie in the same range between two quantiles, and are more than one value there."""
    (low, high), (true_low, true_high) = (np.quantile(values, tails) for values in (calibration, evaluation))
    width, true_width = high - low, true_high - true_low
    if width <= 0 or true_width <= 0:
        return False
    near = max(abs(low - true_low), abs(high - true_high)) <= (WIDTH_RATIO - 1) * min(width, true_width)
    return bool(near and 1 / WIDTH_RATIO <= width / true_width <= WIDTH_RATIO)


def _check_labels(calibration: Array | None, evaluation: Array | None) -> list[str]:
    if calibration is None or evaluation is None or calibration.ndim != 1 or calibration.dtype.kind not in "iu":
        return []
    ours, theirs = len(np.unique(calibration)), len(np.unique(evaluation))
    possible = min(theirs, len(calibration))
    if evaluation.dtype.kind not in "iu" or ours * 2 >= possible:
        return []
    return [f"calibration holds {ours} of {theirs} classes: select = 'stratified' takes as many of each"]


def _shared(calibration: Samples, evaluation: Samples) -> int:
    """How many evaluation samples are calibration samples, bit by bit in all inputs."""
    names = [name for name in calibration.inputs if name in evaluation.inputs]

    def rows(samples: Samples) -> list[bytes]:
        columns = [np.ascontiguousarray(samples.inputs[name]) for name in names]
        return [
            hashlib.sha256(b"".join(column[i].tobytes() for column in columns)).digest() for i in range(len(samples))
        ]

    known = set(rows(calibration))
    return sum(row in known for row in rows(evaluation))


def _all_equal(array: Array) -> bool:
    return bool((array == array[:1]).all())


def _nearly_equal(array: Array) -> bool:
    """Whether float samples hardly differ from their mean."""
    if array.dtype.kind != "f":
        return _all_equal(array)
    values = array.astype(np.float64)
    return bool((values - values.mean(0)).std() <= NEARLY * np.abs(values).max(initial=0))


def _nearly_constant(flat: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Of samples [n, values], which hardly vary in themselves."""
    found: NDArray[np.bool_] = np.ptp(flat, axis=1) <= NEARLY * np.abs(flat).max(1)
    return found


def _looks_like_pixels(flat: NDArray[np.float64]) -> bool:
    return bool(100 < flat.max() <= 255 and flat.min() >= 0 and (flat == np.round(flat)).all())
