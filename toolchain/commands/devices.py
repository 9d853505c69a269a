"""Which devices can be reached, what they are, and what stands between us and the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from edgeship.toolchain import registry
from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.plugin import Device


@dataclass(frozen=True)
class Seen:
    """One device: its facts (the `device` part of bench-result/1), or why there are none and what would help."""

    name: str
    kind: str
    facts: dict[str, Any] | None = None
    shared: bool = False
    """Whether other work may run beside a measurement now."""
    reason: str = ""
    remedy: str = ""


def look(devices: Mapping[str, Device]) -> Iterator[Seen]:
    """Open one after the other."""
    kinds = {registry.load("devices", name): name for name in registry.names("devices")}
    for name, device in devices.items():
        kind = kinds.get(type(device), type(device).__name__)
        try:
            with device.open() as link:
                yield Seen(name, kind, link.facts(), link.is_shared())
        except EdgeshipError as error:
            yield Seen(name, kind, reason=f"not reached: {error}", remedy=error.hint)


def known() -> Iterator[Seen]:
    """Every kind of device: as it is without options, or which options it needs."""
    for name in registry.names("devices"):
        kind = registry.load("devices", name)
        wanted = {option: field for option, field in kind.model_fields.items() if field.is_required()}
        if wanted:
            asked = ", ".join(f'{option} = "…" ({field.description})' for option, field in wanted.items())
            yield Seen(name, name, reason=f"needs {' and '.join(wanted)}", remedy=f'device = "{name}", {asked}')
        else:
            device = kind()
            assert isinstance(device, Device)
            yield from look({name: device})
