"""What a device's public facts say of a file that would go there: advice, from nothing that was executed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgeship.toolchain.profile import Profile
from edgeship.toolchain.quant import QuantSpec
from edgeship.toolchain.runtime import RuntimeInfo

RAM_SHARE = 0.25
"""A file of more than this share of the least memory that a device is sold with leaves too little to the rest."""


@dataclass(frozen=True)
class Advice:
    """`stop`: it cannot work there; `doubt`: it may be slow or killed; `fine`: nothing is known against it."""

    level: Literal["stop", "doubt", "fine"]
    text: str
    remedy: str = ""


def advise(profile: Profile, runtime: RuntimeInfo, spec: QuantSpec, size_bytes: int | None) -> list[Advice]:
    """Of a file of this runtime, in these numbers, of this size where it is known."""
    if profile.system == "baremetal":
        text = f"{profile.name} has no system that {runtime.title} runs on"
        return [Advice("stop", text, "no target here makes files for it")]
    if runtime.is_interpreted(profile.system):
        return [Advice("stop", f"there is no {runtime.title} on {profile.system}", "choose another target for it")]
    found = [*_arithmetic(profile, spec), *_memory(profile, size_bytes)]
    return found or [Advice("fine", "nothing is known against it")]


def _arithmetic(profile: Profile, spec: QuantSpec) -> list[Advice]:
    found = []
    if spec.is_integer and not profile.has_dot_product:
        text = "no dot product: int8 executes about as many instructions as float, it gains by memory traffic only"
        found.append(Advice("doubt", text, "count both on its core: { device = 'emulated', … }"))
    if any(part.kind == "float" and part.weight_bits == 16 for part in spec.each) and not profile.has_half_arithmetic:
        text = "float16 is converted to float32 before it is computed: half the size, no speed"
        found.append(Advice("doubt", text, "ship float32 or int8 there"))
    return found


def _memory(profile: Profile, size_bytes: int | None) -> list[Advice]:
    if size_bytes is None:
        return []
    if profile.app_memory_bytes and size_bytes > profile.app_memory_bytes:
        limit = profile.app_memory_bytes / 1e6
        text = f"{size_bytes / 1e6:.0f} MB: more than the {limit:.0f} MB that a whole app should take there"
        return [Advice("doubt", text, "quantize or prune it")]
    least = min(profile.ram_bytes, default=None)
    if least is not None and size_bytes > least:
        return [Advice("stop", f"{size_bytes / 1e6:.0f} MB do not fit into {least / 1e9:g} GB", "quantize or prune it")]
    if least is not None and size_bytes > RAM_SHARE * least:
        text = f"{size_bytes / 1e6:.0f} MB of {least / 1e9:g} GB, which the system and other apps share"
        return [Advice("doubt", text, "quantize or prune it")]
    return []
