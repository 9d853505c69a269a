"""How the range of an activation is found from representative data: one observer per method."""

from __future__ import annotations

from typing import Any, Literal

Ranges = Literal["nearest", "histogram", "min-max", "percentile"]


def activation_observer(ranges: Ranges, percentile: float) -> Any:
    """The torchao observer constructor of a range method.

    `histogram` narrows the range to the least squared quantization error, `min-max` keeps every value, `percentile`
    cuts (100 - percentile) % of the values off, half of them at each end. `nearest` starts as histogram and decides
    between the first two after calibration (see the module of that name).
    """
    from torchao.quantization.pt2e import HistogramObserver, MinMaxObserver

    from edgeship.toolchain.quantization.upstream import percentile_observer

    if ranges == "min-max":
        return MinMaxObserver.with_args()
    if ranges == "percentile":
        return percentile_observer().with_args(percentile=percentile)
    return HistogramObserver.with_args()
