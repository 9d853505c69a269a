"""An Android phone as a device, by adb: the native agent runs in its shell, no NDK and no root; or edgeship's own app.

Unproven on a phone. Proven against a stand-in of adbd with the real client (tests/adbd.py).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from edgeship.toolchain.devices.adb.app import ACCELERATORS, check, installed
from edgeship.toolchain.devices.adb.connection import connection_to
from edgeship.toolchain.devices.adb.link import AdbLink, AppLink
from edgeship.toolchain.devices.remote.lease import leased
from edgeship.toolchain.devices.remote.machine import PROBE, read
from edgeship.toolchain.devices.timed import Timed


class Adb(Timed):
    """Executes artifacts on an Android phone (7 and later) that debugging is allowed on: in its shell, or in an app."""

    serial: str = Field("", pattern="^[^-]|^$", description="as `adb devices` lists it; empty: the only one there")
    apk: Path | None = Field(
        None,
        description="edgeship's app (apps/android), which is installed and executes them; absent: native agents do, in "
        "the shell",
    )
    backend: Literal["gpu", "nnapi", "xnnpack"] | None = Field(
        None,
        description="what the app's runtime offers a file's nodes to first: LiteRT has gpu and nnapi, ONNX Runtime "
        "nnapi and xnnpack; absent: what the file says",
    )
    float16: bool = Field(False, description="whether the backend, gpu or nnapi, may compute in half precision")
    folder: str = Field(
        "/data/local/tmp/edgeship",
        description="ours there; files are found again by digest, so that none is sent twice",
    )
    wait_s: float = Field(0, ge=0, description="how long to wait for another run that uses the phone")

    @field_validator("apk")
    @classmethod
    def _is_ours(cls, apk: Path | None) -> Path | None:
        if apk is not None:
            check(apk)
        return apk

    @model_validator(mode="after")
    def _can_be_asked_for(self) -> Self:
        if self.backend and self.apk is None:
            raise ValueError(f"backend = '{self.backend}' is the app's: add apk = 'app.apk', or leave it out")
        if self.float16 and self.backend not in ACCELERATORS:
            raise ValueError("float16 is for a backend off the CPU: add backend = 'gpu' or 'nnapi', or leave it out")
        return self

    @contextlib.contextmanager
    def open(self) -> Iterator[AdbLink]:
        """MissingError without adb; DeviceError where the phone is not reached or is another run's, or takes no app."""
        connection = connection_to(self.serial)
        machine = read(connection.host, self.folder, connection.ask(PROBE, self.folder))
        with leased(connection, machine.folder, self.wait_s):
            if self.apk is None:
                yield AdbLink(connection, machine, self)
            else:
                app = installed(connection, machine.folder, self.apk)
                yield AppLink(connection, machine, self, app.computing_by(self.backend, self.float16))
