"""A program's noise floor: how far its own answers wander when its roundings are disturbed by a hair.

Kernels that compute the same program come to each rounding with slightly different values. A value on the other side
of an edge is a whole step off, and depth multiplies it: what such noise does to the program itself, no sound file need
do better than.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeship.toolchain import stats
from edgeship.toolchain.floor import Floor, OutputFloor
from edgeship.toolchain.samples import Array

if TYPE_CHECKING:
    import torch
    from torch.fx import GraphModule, Interpreter

RUNS, FEWEST_RUNS = 8, 4
AGREEING_DB = (0.5, 1.5, 0.5)
"""Runs that lie this close together need no further one: over all samples, of the worst, of what varies. In small
networks single flips decide: runs lie up to 9 dB apart, and after three within 1 dB came one 1.5 dB lower."""
CERTAIN_DB = 100.0
"""No limit asks for so much: a program whose first run reaches it needs no other."""
MOST_SAMPLES = 64
FEWEST_SAMPLES = 8
AFFORDABLE_S = 40.0
"""A program that needs longer for all its samples is measured on fewer, down to FEWEST_SAMPLES."""
ROUNDING_STEPS = 0.01
"""Half width of the uniform noise on an activation before it is rounded to integers, in steps. Tried with ±0.0001 to
±0.01 on ten networks: with this the floor lies up to 3 dB below what the files of six runtimes show."""
FLOAT32_RELATIVE = 2.0**-21
"""The same on a float32 result, relative: four units in the last place, as kernels' functions and sums differ."""
HALF_RELATIVE = 2.0**-11
"""The same before a result is rounded to half precision: its last place."""
LARGEST_HALF = 65504.0
_NOISE_LENGTH = 1 << 20


def floor(
    module: GraphModule,
    rows: Sequence[Mapping[str, Array]],
    expected: Mapping[str, Array],
    reference: Mapping[str, Array],
    half: bool,
    together: int = 1,
) -> Floor:
    """Run a program with seeded noise on the first `rows` (its inputs by name): until runs agree, at most RUNS times.

    `expected` are its outputs for them, [n, *shape] by name in its own order, `reference` the float model's.
    `half` rounds every result to half precision. `together` rows are one call, joined along the first dimension.
    """
    import torch

    noisy = interpreter()(module, half)
    found: list[dict[str, Array]] = []
    figures: list[dict[str, OutputFloor]] = []
    count, started = min(len(rows), MOST_SAMPLES), time.monotonic()
    with torch.no_grad():
        while len(found) < RUNS and not _enough(figures):
            noisy.seed(len(found))  # type: ignore[attr-defined]
            found.append(_run(noisy.run, rows[:count], list(expected), together))
            affordable = int(count * AFFORDABLE_S / (RUNS * (time.monotonic() - started) / len(found)))
            if len(found) == 1 and affordable < count > FEWEST_SAMPLES:
                count = max(FEWEST_SAMPLES, affordable)
            figures.append({name: _figures(expected[name][:count], found[-1][name][:count]) for name in expected})
    outputs = {name: _worst([run[name] for run in figures]) for name in expected}
    losses = [_loss_db(reference, expected, run, count) for run in found]
    return Floor(outputs=outputs, loss_db=max(0.0, *losses), half=half, runs=len(found), samples=count)


def _run(
    call: Callable[..., Sequence[torch.Tensor]],
    rows: Sequence[Mapping[str, Array]],
    names: Sequence[str],
    together: int,
) -> dict[str, Array]:
    import torch

    answers: list[dict[str, Array]] = []
    for first in range(0, len(rows), together):
        part = rows[first : first + together]
        joined = [np.concatenate([row[name] for row in part]) if len(part) > 1 else part[0][name] for name in part[0]]
        values = [v.numpy() for v in call(*(torch.from_numpy(np.array(array, order="C")) for array in joined))]
        for i in range(len(part)):
            answers.append({n: v[i : i + 1] if len(part) > 1 else v for n, v in zip(names, values, strict=True)})
    return {name: np.stack([answer[name] for answer in answers]) for name in names}


def _figures(expected: Array, run: Array) -> OutputFloor:
    """Of one run."""
    if not np.any(expected):  # which no noise can be compared with
        return OutputFloor(sqnr_db=stats.MAX_SQNR_DB, worst_sample_db=stats.MAX_SQNR_DB)
    total = stats.sqnr_db(expected, run)
    samples = (stats.sqnr_db(a, b) for a, b in zip(expected, run, strict=True) if np.any(a))
    varying = stats.sqnr_db(stats.without_mean(expected), stats.without_mean(run)) if len(expected) > 1 else None
    return OutputFloor(sqnr_db=total, worst_sample_db=min(samples, default=total), varying_db=varying)


def _worst(runs: Sequence[OutputFloor]) -> OutputFloor:
    varying = [run.varying_db for run in runs if run.varying_db is not None]
    return OutputFloor(
        sqnr_db=min(run.sqnr_db for run in runs),
        worst_sample_db=min(run.worst_sample_db for run in runs),
        varying_db=min(varying, default=None),
    )


def _enough(runs: Sequence[Mapping[str, OutputFloor]]) -> bool:
    """Whether another run would change nothing that matters."""
    if not runs:
        return False
    figures = np.array([[_known(output) for output in run.values()] for run in runs])
    agree = np.ptp(figures, axis=0) <= AGREEING_DB
    return bool(figures.min() >= CERTAIN_DB or (len(runs) >= FEWEST_RUNS and agree.all()))


def _known(one: OutputFloor) -> tuple[float, float, float]:
    return one.sqnr_db, one.worst_sample_db, one.sqnr_db if one.varying_db is None else one.varying_db


def _loss_db(
    reference: Mapping[str, Array], expected: Mapping[str, Array], run: Mapping[str, Array], count: int
) -> float:
    """How much farther from the float model a run lies than the program, each by its worst output."""

    def worst(outputs: Mapping[str, Array]) -> float:
        return min(stats.sqnr_db(reference[name][:count], outputs[name][:count]) for name in expected)

    return worst(expected) - worst(run)


@functools.cache
def interpreter() -> type[Interpreter]:
    """The class `Noisy(module, half)`: a call of `run` after `seed(number)` is one disturbed call of the module."""
    import torch

    from edgeship.toolchain.quantization.row_scales import round_rows

    class Noisy(torch.fx.Interpreter):
        def __init__(self, module: GraphModule, half: bool) -> None:
            super().__init__(module)
            self._half = half
            self.seed(0)

        def seed(self, number: int) -> None:
            self._random = torch.Generator().manual_seed(number)
            # drawn once and read from changing places: drawing for each result costs more than computing it
            self._drawn = torch.rand(_NOISE_LENGTH, generator=self._random) * 2 - 1

        def placeholder(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            value = super().placeholder(target, args, kwargs)
            # a file in half precision rounds what it is given, too
            if not self._half or not isinstance(value, torch.Tensor) or value.dtype != torch.float32 or _whole(value):
                return value
            return value.clamp(-LARGEST_HALF, LARGEST_HALF).half().float()

        def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
            name = str(target)
            if "quantize_per_tensor" in name and "dequantize" not in name:
                x, scale = args[:2]
                return target((x + self._noise(x) * (ROUNDING_STEPS * scale)).to(x.dtype), *args[1:], **kwargs)
            if target is round_rows:
                x, low, high, _ = args
                step = (x.amax(-1, keepdim=True).clamp(min=0) - x.amin(-1, keepdim=True).clamp(max=0)) / (high - low)
                return target(x + self._noise(x) * (ROUNDING_STEPS * step), *args[1:], **kwargs)
            result = super().call_function(target, args, kwargs)
            if "quantize" in name and not self._half:
                return result  # a scale times an integer is exact
            if isinstance(result, tuple | list):
                return type(result)(self._rounded(value) for value in result)
            return self._rounded(result)

        def _rounded(self, value: Any) -> Any:
            if not isinstance(value, torch.Tensor) or value.dtype != torch.float32 or _whole(value):
                return value
            relative = HALF_RELATIVE if self._half else FLOAT32_RELATIVE
            disturbed = torch.addcmul(value, value, self._noise(value), value=relative)
            if self._half:
                disturbed = disturbed.clamp_(-LARGEST_HALF, LARGEST_HALF).half().float()
            # an infinity, as masks have it, less an infinity is none
            return disturbed if bool(value.sum().isfinite()) else torch.where(value.isfinite(), disturbed, value)

        def _noise(self, like: torch.Tensor) -> torch.Tensor:
            count = like.numel()
            offset = int(torch.randint(_NOISE_LENGTH, (1,), generator=self._random))
            repeats = -(-(offset + count) // _NOISE_LENGTH)
            drawn = self._drawn.repeat(repeats) if repeats > 1 else self._drawn
            return drawn[offset : offset + count].reshape(like.shape)

    def _whole(value: torch.Tensor) -> bool:
        """Masks, positions and token ids in float are exact in every runtime."""
        return all(bool((part == part.round()).all()) for part in (value.flatten()[:64], value))

    return Noisy
