"""Figures as a person reads them: the same in the terminal, on the page and in the benchmarks' tables."""

from __future__ import annotations

EQUAL_DB = 200.0
"""Bit by bit equal outputs have no finite SQNR; it is recorded as this or more."""
PREFIXES = (("G", 1e9), ("M", 1e6), ("k", 1e3))


def size(count: float) -> str:
    """Bytes: `850 B`, `27 kB`, `4.08 MB`, `20.0 GB`."""
    if count < 1000:
        return f"{count:.0f} B"
    if count < 999_500:  # which rounds to 1000 kB
        return f"{count / 1e3:.1f} kB" if count < 9_950 else f"{count / 1e3:.0f} kB"
    return f"{_three(count / 1e6)} MB" if count < 999_500_000 else f"{_three(count / 1e9)} GB"


def milliseconds(value_ns: float) -> str:
    """Nanoseconds as a number of milliseconds, three significant digits: `0.023`, `1.50`, `12.3`, `140`."""
    value = value_ns / 1e6
    return f"{value:.4f}" if value < 0.01 else f"{value:.3f}" if value < 1 else _three(value)


def decibel(value_db: float) -> str:
    """An SQNR: `38.2 dB`, `121 dB`, or `equal`."""
    return "equal" if value_db >= EQUAL_DB else f"{value_db:.{0 if value_db >= 99.95 else 1}f} dB"


def ratio(value: float) -> str:
    """A figure against another: `0.69×`."""
    return f"{value:.2f}×"


def share(value: float) -> str:
    """A share in percent: `99.3%`."""
    return f"{100 * value:.1f}%"


def number(count: float) -> str:
    """A big count with three significant digits: `940`, `61.7 k`, `3.4 M`."""
    for prefix, unit in PREFIXES:
        if count >= 0.9995 * unit:
            return f"{float(f'{count / unit:.3g}'):g} {prefix}"
    return f"{count:g}"


def _three(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"
