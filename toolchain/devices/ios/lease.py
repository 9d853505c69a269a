"""A phone is one run's of this Mac at a time: two that measure there at once measure one another."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from filelock import FileLock, Timeout

from edgeship.toolchain.api import DeviceError, cache_root
from edgeship.toolchain.devices.ios.listing import Phone


@contextlib.contextmanager
def leased(phone: Phone, wait_s: float) -> Iterator[None]:
    """Hold the phone; DeviceError after `wait_s` seconds."""
    locks = cache_root() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"phone-{phone.identifier}.lock", timeout=wait_s)
    try:
        lock.acquire()
    except Timeout as error:
        hint = "wait for it (wait_s), or take another phone"
        raise DeviceError(f"{phone.name} is in use by another run on this Mac", hint) from error
    try:
        yield
    finally:
        lock.release()
