"""Made-up inputs for a model without data: good for latency, silent about accuracy."""

from __future__ import annotations

import numpy as np
from pydantic import Field, field_validator

from edgeship.calibration.datasets.conform import conform
from edgeship.toolchain.api import Array, DataError, Dataset, Samples, Signature, Tensor

COUNT = 64  # as many as calibration needs, where nobody says how many


class Synthetic(Dataset):
    """Seeded random inputs, flagged as synthetic wherever they were used.

    Floats are uniform within their range, standard normal without one. Integers need a range, the highest included:
    here, or as `low` and `high` of the model's input.
    """

    ranges: dict[str, tuple[float, float]] = Field({}, description="input name → [lowest, highest]")
    seed: int = Field(0, ge=0, description="the same seed gives the same samples")

    @field_validator("ranges")
    @classmethod
    def _in_order(cls, ranges: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        if wrong := [name for name, (low, high) in ranges.items() if low > high]:
            raise ValueError(f"the lowest comes first: {', '.join(wrong)}")
        return ranges

    def check(self, signature: Signature) -> None:
        names = [tensor.name for tensor in signature.inputs]
        if unknown := [name for name in self.ranges if name not in names]:
            raise DataError(f"synthetic: ranges names {', '.join(unknown)}", f"the inputs are {', '.join(names)}")
        ranges = {**signature.ranges, **self.ranges}
        undecided = [tensor.name for tensor in signature.inputs if _is_integer(tensor) and tensor.name not in ranges]
        if undecided:
            raise DataError(
                f"{', '.join(undecided)}: integers are made up where there is no data; which values are valid?",
                f'say so at the input: {{ name = "{undecided[0]}", low = 0, high = 99, … }}'
                f" (--input '{undecided[0]}:SHAPE:int64[0-99]'), or give data",
            )

    def read(self, signature: Signature, limit: int | None) -> Samples:
        self.check(signature)
        count = COUNT if limit is None else limit
        rng = np.random.default_rng(self.seed)
        inputs = {tensor.name: self._draw(tensor, signature, count, rng) for tensor in signature.inputs}
        samples = conform(inputs, None, signature, "synthetic")
        return Samples(samples.inputs, synthetic=True, warnings=("synthetic data says nothing about accuracy",))

    def _draw(self, tensor: Tensor, signature: Signature, count: int, rng: np.random.Generator) -> Array:
        shape = (count, *(_size(size, position, signature) for position, size in enumerate(tensor.shape)))
        span = self.ranges.get(tensor.name, signature.ranges.get(tensor.name))
        if tensor.dtype == "bool":
            return rng.random(shape) < 0.5
        if _is_integer(tensor):
            assert span is not None
            return rng.integers(int(span[0]), int(span[1]), shape, endpoint=True).astype(tensor.dtype)
        values = rng.standard_normal(shape) if span is None else rng.uniform(*span, shape)
        return values.astype(tensor.dtype)


def _is_integer(tensor: Tensor) -> bool:
    return tensor.dtype.startswith(("int", "uint"))


def _size(size: int | str, position: int, signature: Signature) -> int:
    if isinstance(size, int):
        return size
    low, high = signature.dims.get(size, (1, 64))
    return max(low, 1) if position == 0 else max(low, min(high, 64))  # one sample a row; long enough to be typical
