"""Updates from a static server: who signed and what for comes first, then what is missing, then its bytes.

A file that a slot has is not fetched; of one that has another content than before its delta is, where the server has
one; whatever was fetched is known by its digest. What was begun is gone on with, also after a power cut.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import delta, parts, trust
from .delta import DeltaError, Library
from .document import parse
from .download import Server
from .failure import FailedError
from .parts import Part
from .slots import PARTS, Slots
from .verify import ENVELOPE, MANIFEST, Device, Verified, digests, executable, for_device, signed


@dataclass(frozen=True)
class Step:
    """One file to fetch: whole, or as a delta of so many bytes."""

    digest: str
    size: int
    source: str
    source_size: int
    base: Path | None = None


@dataclass(frozen=True)
class Updated:
    """What came of looking for an update; `verified` is None where there was nothing new."""

    version: int
    verified: Verified | None = None
    given_up: bool = False
    whole: int = 0
    deltas: int = 0


def update(
    server: Server, slots: Slots, root: trust.Root, device: Device, zstd: Library | None, again: bool = False
) -> Updated:
    """Install what a server has, where it is newer; a version that was given up only `again`. Without zstd no deltas.

    Refused, BusyError, FailedError: what works stays as it is.
    """
    with slots.alone():
        root, device = slots.known(root, device)
        root, manifest, small = _offered(server, slots, root, device)
        version, state = manifest["version"], slots.state
        if small[MANIFEST] == slots.newest(MANIFEST):
            return Updated(version)
        if state and state.given_up == version and not again:
            return Updated(version, given_up=True)
        small = _with_roots(server, slots, manifest, small)
        held = slots.holding(digests(manifest))
        missing = {digest: size for digest, size in digests(manifest).items() if digest not in held}
        bases = _bases(slots, manifest) if zstd else {}
        steps = [_planned(server, digest, size, bases.get(digest)) for digest, size in missing.items()]
        folder = slots.folder / PARTS
        begun = {step: parts.progress(folder / step.digest, step.source) for step in steps}
        server.afford(sum(step.source_size - at.received for step, at in begun.items()), "what is missing")
        slot = slots.begin(held)
        _forget(folder, steps)
        _check_room(folder, sum(step.size - at.written for step, at in begun.items()))
        fetched = [_fetch(server, folder, slot / "files", step, zstd) for step in steps]
        verified = slots.finish(slot, small, root, device)
        return Updated(version, verified, whole=fetched.count("whole"), deltas=fetched.count("delta"))


def _offered(
    server: Server, slots: Slots, root: trust.Root, device: Device
) -> tuple[trust.Root, dict[str, Any], dict[str, bytes]]:
    """The newest root, the manifest that its keys signed for this device, and the small files that came; Refused."""
    small: dict[str, bytes] = {}

    def next_root(name: str) -> bytes | None:
        if (data := server.read(name)) is not None:
            small[name] = data
        return data

    root = trust.newest(root, next_root, device.now)
    slots.keep(root)  # whatever comes of what is offered: nobody can hold a revocation back again
    small[ENVELOPE] = _needed(server, ENVELOPE)
    small[MANIFEST] = signed(small[ENVELOPE], root)
    manifest = for_device(small[MANIFEST], device)
    executable(manifest, device)
    return root, manifest, small


def _needed(server: Server, name: str) -> bytes:
    data = server.read(name)
    if data is None:
        raise FailedError("server", f"the server has no {name}: is this the address of a published folder?")
    return data


def _with_roots(
    server: Server, slots: Slots, manifest: Mapping[str, Any], small: Mapping[str, bytes]
) -> dict[str, bytes]:
    """Manifest and envelope with the roots that are named: as they just came, or the bundle that works has them."""
    found = {name: small[name] for name in (MANIFEST, ENVELOPE)}
    for root in manifest["roots"]:
        known = (small.get(root["path"]), slots.installed(root["path"]))
        right = [data for data in known if data is not None and hashlib.sha256(data).hexdigest() == root["sha256"]]
        found[root["path"]] = right[0] if right else _needed(server, root["path"])
    return found


def _bases(slots: Slots, manifest: Mapping[str, Any]) -> dict[str, Path]:
    """Files of the bundle that works from which there may be deltas to files of this manifest, by these."""
    try:
        pairs = delta.bases(parse(slots.installed(MANIFEST) or b""), manifest)
    except (ValueError, KeyError, TypeError):  # nothing is installed, or what is there has rotted
        return {}
    found = {digest: slots.base(old) for digest, old in pairs.items()}
    return {digest: base for digest, base in found.items() if base}


def _planned(server: Server, digest: str, size: int, base: Path | None) -> Step:
    """As a delta, where the server has one."""
    if base:
        source = delta.name(base.name, digest)
        length = server.size(source)
        if length and length < size:
            return Step(digest, size, source, length, base)
    return Step(digest, size, f"files/{digest}", size)


def _check_room(folder: Path, need: int) -> None:
    free = shutil.disk_usage(folder).free
    if need > free:
        raise FailedError("room", f"{folder}: {need:,} bytes are needed, and {free:,} are free")


def _forget(folder: Path, steps: Iterable[Step]) -> None:
    """Parts of what is no longer wanted."""
    folder.mkdir(exist_ok=True)
    wanted = {step.digest for step in steps}
    for file in folder.iterdir():
        if file.name.partition(".")[0] not in wanted:
            file.unlink()


def _fetch(server: Server, folder: Path, files: Path, step: Step, zstd: Library | None) -> str:
    """Bring one file; where its delta does not make it, whole."""
    if step.base and zstd:
        with suppress(DeltaError), Part(folder / step.digest, step.source, step.size, zstd(step.base)) as part:
            server.fetch(step.source, step.source_size, part)
            if part.move_to(files / step.digest):
                return "delta"
        parts.remove(folder / step.digest)
    name = f"files/{step.digest}"
    with Part(folder / step.digest, name, step.size) as part:
        for _ in range(2):  # what came before a power cut, or from a server that changed, may be wrong
            server.fetch(name, step.size, part)
            if part.move_to(files / step.digest):
                return "whole"
            part.restart()
    raise FailedError("server", f"{name}: the server has other bytes under this name")


def said(updated: Updated, server: Server) -> dict[str, Any]:
    """As one JSON line."""
    about: dict[str, Any] = {"version": updated.version, "received_bytes": server.received}
    if updated.verified is None:
        return about | {"installed": False, "why": "given up before" if updated.given_up else "nothing new"}
    return about | {
        "installed": True,
        "artifacts": updated.verified.artifacts,
        "whole": updated.whole,
        "deltas": updated.deltas,
    }
