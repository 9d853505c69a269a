"""An iPhone or iPad as a device: found and described by devicectl, on a Mac; edgeship's app there executes the jobs.

Unproven on a phone. Proven against a stand-in of devicectl, whose answers are as others published them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from edgeship.toolchain.api import Device
from edgeship.toolchain.devices.ios.devicectl import ask
from edgeship.toolchain.devices.ios.lease import leased
from edgeship.toolchain.devices.ios.link import AppLink, IosLink, runtime_of
from edgeship.toolchain.devices.ios.listing import Listing, chosen


class Ios(Device):
    """Executes artifacts on an iPhone or iPad, in edgeship's app, which was installed from a Mac with Xcode."""

    name: str = Field(
        "", description="its name, identifier or UDID, as `devicectl list devices` says; empty: the only one"
    )
    app: str = Field(
        "",
        description="the bundle identifier of edgeship's app there (apps/ios), which tells its runtime: "
        "dev.edgeship.EdgeshipCoreML; absent: the phone is described only",
    )
    backend: Literal["cpu", "coreml", "all", "cpu+gpu", "cpu+ane"] | None = Field(
        None,
        description="what the app's runtime computes on: Core ML has all, cpu, cpu+gpu and cpu+ane, ONNX Runtime cpu "
        "and coreml; absent: what the file says",
    )
    wait_s: float = Field(0, ge=0, description="how long to wait for another run that uses the phone")

    @model_validator(mode="after")
    def _can_be_asked_for(self) -> Self:
        if self.app:
            runtime_of(self.app, self.backend)
        elif self.backend:
            raise ValueError(f"backend = '{self.backend}' is the app's: add app = 'dev.edgeship.…', or leave it out")
        return self

    @contextlib.contextmanager
    def open(self) -> Iterator[IosLink]:
        """MissingError without Xcode; DeviceError where it or the app is not there, it is not paired, not in developer
        mode, or another run's."""
        phone = chosen(ask(Listing, "list", "devices").phones, self.name)
        if not self.app:
            yield IosLink(phone)
            return
        with leased(phone, self.wait_s):
            yield AppLink(phone, self.app, self.backend)
