"""A bundle as the stores deliver it themselves: Play's AI packs, Apple's managed Background Assets.

Its files stay as they are: an app verifies what the store brought as it verifies any bundle.
Sources: developer.android.com/google/play/on-device-ai; developer.apple.com/documentation/backgroundassets,
"Creating managed asset packs".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeship.apps.board.verify import Verified
from edgeship.toolchain.bundle.stores import Delivery, Platform, Store
from edgeship.toolchain.bundle.unpacked import copy_whole
from edgeship.toolchain.errors import RecipeError

PLAY_NAME = re.compile("[A-Za-z][A-Za-z0-9_]*")
APPLE_NAME = re.compile("[A-Za-z][A-Za-z0-9_-]*")
GROUP = re.compile("[A-Za-z0-9_]+")
APPLE_POLICIES: dict[Delivery, dict[str, Any]] = {
    Delivery.install_time: {"essential": {"installationEventTypes": ["firstInstallation", "subsequentUpdate"]}},
    Delivery.fast_follow: {"prefetch": {"installationEventTypes": ["firstInstallation", "subsequentUpdate"]}},
    Delivery.on_demand: {"onDemand": {}},
}
APPLE_MANIFEST = "Manifest.json"
SYSTEMS: dict[Store, frozenset[str]] = {
    Store.play: frozenset({"android"}),
    Store.apple: frozenset({"ios", "ipados", "macos"}),
}
_PLAY_BUILD = """plugins {{
    id("com.android.ai-pack")
}}

aiPack {{
    packName = "{name}"
    dynamicDelivery {{
        deliveryType = "{delivery}"
    }}
}}
"""


def pack_name(text: str) -> str:
    """A name that both stores take, out of any text."""
    plain = re.sub("[^A-Za-z0-9]+", "_", text).strip("_")
    return plain if PLAY_NAME.fullmatch(plain) else f"pack_{plain}"


def play(bundle: Verified, groups: Mapping[str, Verified], name: str, delivery: Delivery, out: Path) -> list[Path]:
    """Write the Gradle module `name` below `out`; where the bundles lie in it.

    A device of a group gets that group's bundle instead. RecipeError for names that Play does not take.
    """
    if not PLAY_NAME.fullmatch(name):
        raise RecipeError(f"{name}: is no name of an AI pack", "a letter first, then letters, digits and _")
    if wrong := [group for group in groups if not GROUP.fullmatch(group)]:
        raise RecipeError(f"--group {wrong[0]}: is no name of a device group", "letters, digits and _")
    module = out / name
    assets = module / "src" / "main" / "assets"
    places = {assets / name: bundle} | {assets / f"{name}#group_{group}": other for group, other in groups.items()}
    for place, verified in places.items():
        copy_whole(verified, place)
    (module / "build.gradle.kts").write_text(_PLAY_BUILD.format(name=name, delivery=delivery.value))
    return list(places)


def apple(bundle: Verified, platforms: Sequence[Platform], name: str, delivery: Delivery, out: Path) -> list[Path]:
    """Write the asset pack's manifest and, in the folder `name`, its files into `out`; where the bundle lies.

    RecipeError for a name that is none.
    """
    if not APPLE_NAME.fullmatch(name):
        raise RecipeError(f"{name}: is no name of an asset pack", "a letter first, then letters, digits, - and _")
    copy_whole(bundle, out / name)
    manifest = {
        "assetPackID": name,
        "downloadPolicy": APPLE_POLICIES[delivery],
        "fileSelectors": [{"directory": name}],
        "platforms": [platform.value for platform in platforms],
    }
    (out / APPLE_MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
    return [out / name]
