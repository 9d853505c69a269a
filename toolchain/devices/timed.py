"""Options of devices that have time: how steadily files are measured there."""

from __future__ import annotations

from pydantic import Field

from edgeship.toolchain.api import Device


class Timed(Device):
    """A device whose latencies depend on which cores are used and on how hot they are."""

    pin_cpus: tuple[int, ...] = Field((), description="CPU numbers that agents may use; empty: all (Linux)")
    cool_c: float | None = Field(
        None, gt=0, description="launches wait until its hottest sensor tells at most so many °C; absent: they do not"
    )
