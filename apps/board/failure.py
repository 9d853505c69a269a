"""What came to nothing for another reason than the bundle."""

from __future__ import annotations


class FailedError(Exception):
    """`reason` is one word: budget, busy, disk, not-good, room, server, …; the rest is said to a person."""

    def __init__(self, reason: str, said: str) -> None:
        super().__init__(said)
        self.reason = reason


class BusyError(FailedError):
    """What is installed is being tried and nobody said yet whether it is good, or somebody else is installing."""

    def __init__(self, said: str) -> None:
        super().__init__("busy", said)
