"""Words for stores that deliver bundles: who, when, and to which systems."""

from __future__ import annotations

from enum import StrEnum


class Store(StrEnum):
    """Who delivers."""

    play = "play"
    apple = "apple"


class Delivery(StrEnum):
    """When a device gets it, in Play's words."""

    install_time = "install-time"
    fast_follow = "fast-follow"
    on_demand = "on-demand"


class Platform(StrEnum):
    """Apple's systems with managed asset packs, in the words of their manifest."""

    ios = "iOS"
    ipados = "iPadOS"
    macos = "macOS"
    tvos = "tvOS"
    visionos = "visionOS"
