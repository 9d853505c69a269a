"""Timings: every second belongs to the innermost part that is open."""

from __future__ import annotations

import time

import pytest

from edgeship.toolchain.timing import clock, part


def test_a_part_within_a_part_is_counted_once() -> None:
    with clock() as counting:
        with part("outer"):
            time.sleep(0.05)
            with part("inner"):
                time.sleep(0.1)
            with part("inner"):
                time.sleep(0.1)
        time.sleep(0.05)
    found = counting.timing("work")
    assert found.parts == {"outer": pytest.approx(0.05, abs=0.04), "inner": pytest.approx(0.2, abs=0.08)}
    assert found.wall_s > sum(found.parts.values()) + 0.04
    assert found.cpu_s is not None
    assert found.cpu_s < found.wall_s


def test_what_fails_is_counted_until_then_and_without_a_clock_nothing_is() -> None:
    with pytest.raises(ValueError, match="no"), clock() as counting, part("half"):
        raise ValueError("no")
    assert list(counting.timing("work").parts) == ["half"]
    with part("nothing"):
        pass
    assert list(counting.timing("work").parts) == ["half"]
