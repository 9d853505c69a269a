"""What `devicectl list devices` says of the phones and tablets that a Mac knows.

Source: its JSON (jsonVersion 2 and 3, Xcode 15 and later). Entries may be empty: it lists what it once saw, too.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from edgeship.toolchain.api import DeviceError

TABLET = "iPad"
KINDS = ("iPhone", TABLET)


class _Connection(BaseModel):
    pairing: str = Field("", alias="pairingState")
    tunnel: str = Field("", alias="tunnelState")


class _Software(BaseModel):
    name: str = ""
    version: str = Field("", alias="osVersionNumber")
    build: str = Field("", alias="osBuildUpdate")
    developer_mode: str = Field("", alias="developerModeStatus")


class _Hardware(BaseModel):
    kind: str = Field("", alias="deviceType")
    model: str = Field("", alias="marketingName")
    product: str = Field("", alias="productType")
    udid: str = ""


class Phone(BaseModel):
    """One device; what is not told is empty."""

    identifier: str = ""
    connection: _Connection = Field(default_factory=_Connection, alias="connectionProperties")
    software: _Software = Field(default_factory=_Software, alias="deviceProperties")
    hardware: _Hardware = Field(default_factory=_Hardware, alias="hardwareProperties")

    @property
    def name(self) -> str:
        """What its owner calls it."""
        return self.software.name.strip() or self.hardware.model or self.identifier

    @property
    def obstacle(self) -> tuple[str, str] | None:
        """Why nothing can be done with it now, and what helps."""
        if self.connection.pairing != "paired":
            return "is not paired", "plug it in, unlock it and trust this Mac"
        if self.connection.tunnel == "unavailable":
            return "is out of reach", "plug it in and unlock it, or bring it into this network"
        if self.software.developer_mode == "disabled":
            return "is not in developer mode", "Settings, Privacy & Security, Developer Mode"
        return None

    def facts(self) -> dict[str, Any]:
        """The `device` part of bench-result/1."""
        system = {
            "name": "ipados" if self.hardware.kind == TABLET else "ios",
            "version": self.software.version,
            "build": self.software.build,
        }
        model = self.hardware.model or self.hardware.product
        return {
            "manufacturer": "Apple",
            **({"model": model} if model else {}),
            "os": {name: text for name, text in system.items() if text},
            "cpu": {"arch": "arm64"},
        }


class Listing(BaseModel):
    """Its result."""

    devices: list[Phone]

    @property
    def phones(self) -> list[Phone]:
        """The phones and tablets."""
        return [device for device in self.devices if device.hardware.kind in KINDS]


def chosen(phones: list[Phone], wanted: str) -> Phone:
    """The one of this name, identifier or UDID, or the only one; DeviceError where there is none or it is not ready."""
    found = [p for p in phones if not wanted or wanted in (p.name, p.identifier, p.hardware.udid)]
    names = ", ".join(phone.name for phone in phones) or "none"
    if not found:
        what = f"no phone or tablet is called {wanted}" if wanted else "devicectl knows no phone"
        raise DeviceError(what, f"it knows {names}; plug one in and trust this Mac")
    if len(found) > 1:
        raise DeviceError(f"devicectl knows several: {names}", "let `name` say which")
    if obstacle := found[0].obstacle:
        raise DeviceError(f"{found[0].name} {obstacle[0]}", obstacle[1])
    return found[0]
