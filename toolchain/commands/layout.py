"""`layout`: a bundle in the form that a store delivers by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeship.apps.board import trust
from edgeship.apps.board.verify import Device, Verified
from edgeship.toolchain import registry
from edgeship.toolchain.bundle import layouts
from edgeship.toolchain.bundle.contents import check_free, whole
from edgeship.toolchain.bundle.stores import Delivery, Platform, Store
from edgeship.toolchain.commands import bundle as bundling
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.report.format import size


@dataclass(frozen=True)
class Pack:
    """How a store is to deliver; what is None or empty follows from the bundle and the store."""

    store: Store
    name: str | None = None
    delivery: Delivery = Delivery.on_demand
    groups: Mapping[str, Path] = field(default_factory=dict)
    platforms: Sequence[Platform] = ()


def layout(bundle: Path, pack: Pack, out: Path, root: Path | None, on_note: Callable[[str], None]) -> list[Path]:
    """Write what the store's tools take into the folder `out`; the folders in it that are bundles, each verified there.

    RecipeError for a wish that the store does not know, or a place that is taken; EdgeshipError for a bundle that is
    refused.
    """
    if pack.groups and pack.store is not Store.play:
        raise RecipeError("--group: only Play has device groups", "leave it out")
    if pack.platforms and pack.store is not Store.apple:
        raise RecipeError("--platform: is for Apple's asset packs", "leave it out")
    check_free(out)
    verified = {place: bundling.verify(place, root, Device(trust.now())) for place in (bundle, *pack.groups.values())}
    held = {place: "{name} for {compatible}".format_map(each.manifest) for place, each in verified.items()}
    for place in pack.groups.values():
        if held[place] != held[bundle]:
            said = f"{place} holds {held[place]}, {bundle} {held[bundle]}"
            raise RecipeError(f"--group: {said}", "name bundles of one name for one product")
    for place, each in verified.items():
        _tell_of_strangers(place, each, pack.store, on_note)
    name = pack.name or layouts.pack_name(str(verified[bundle].manifest["name"]))
    with whole(out) as partial:
        partial.mkdir()
        if pack.store is Store.play:
            groups = {group: verified[place] for group, place in pack.groups.items()}
            places = layouts.play(verified[bundle], groups, name, pack.delivery, partial)
        else:
            places = layouts.apple(verified[bundle], pack.platforms or (Platform.ios,), name, pack.delivery, partial)
        for place in places:
            bundling.verify(place, root, Device(trust.now()))
    return [out / place.relative_to(partial) for place in places]


def next_step(store: Store, out: Path, place: Path) -> str:
    """What the store's own tools do with it."""
    if store is Store.apple:
        return f"on a Mac: cd {out} && xcrun ba-package {layouts.APPLE_MANIFEST} -o {place.name}.aar"
    return f'move {out / place.name} beside the app, include(":{place.name}"), assetPacks += ":{place.name}"'


def groups_of(given: Sequence[str]) -> dict[str, Path]:
    """Bundles by device group of NAME=BUNDLE; RecipeError for other words."""
    pairs = bundling.named("--group", given, "BUNDLE", "flagship=flagship.zip")
    names = [name for name, _ in pairs]
    if twice := [name for name in names if names.count(name) > 1]:
        raise RecipeError(f"--group {twice[0]}: is named twice", "a group gets one bundle")
    return {name: Path(bundle) for name, bundle in pairs}


def _tell_of_strangers(place: Path, bundle: Verified, store: Store, on_note: Callable[[str], None]) -> None:
    """Files whose runtime no device of the store has cost each user their bytes."""
    for artifact in bundle.manifest["artifacts"]:
        info = registry.runtime_info(artifact["runtime"]["name"])
        if info and info.native_on and not info.native_on & layouts.SYSTEMS[store]:
            told = f"{place}: {artifact['name']} ({size(artifact['size_bytes'])}) is for no device of this store"
            on_note(f"{told}: a bundle without it (bundle --target) is smaller")
