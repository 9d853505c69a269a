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
from .delta import DeltaError
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


def update(server: Server, slots: Slots, root: trust.Root, device: Device, again: bool = False) -> Updated:
    """Install what a server has, where it is newer; a version that was given up only `again`.

    Refused, BusyError, FailedError: what works stays as it is.
    """
    with slots.alone():
        root, device = slots.known(root, device)
        seen: dict[str, bytes] = {}
        root = trust.newest(root, lambda name: _root(server, name, seen), device.now)
        envelope = _needed(server, ENVELOPE)
        payload = signed(envelope, root)
        manifest = for_device(payload, device)
        executable(manifest, device)
        state = slots.state
        if payload == slots.newest(MANIFEST):
            return Updated(manifest["version"])
        if state and state.given_up == manifest["version"] and not again:
            return Updated(manifest["version"], given_up=True)
        held = slots.holding(digests(manifest))
        small = {MANIFEST: payload, ENVELOPE: envelope, **_roots(server, slots, manifest, seen)}
        steps = _planned(server, slots, manifest, held.keys())
        begun = {step: parts.progress(slots.folder / PARTS / step.digest, step.source) for step in steps}
        server.afford(sum(step.source_size - at.received for step, at in begun.items()), "what is missing")
        slot = slots.begin(held)
        _forget(slots.folder / PARTS, steps)
        _check_room(slots.folder, sum(step.size - at.written for step, at in begun.items()))
        fetched = [_fetch(server, slots.folder / PARTS, slot / "files", step) for step in steps]
        verified = slots.finish(slot, small, root, device)
        return Updated(manifest["version"], verified, whole=fetched.count("whole"), deltas=fetched.count("delta"))


def _needed(server: Server, name: str) -> bytes:
    data = server.read(name)
    if data is None:
        raise FailedError("server", f"the server has no {name}: is this the address of a published folder?")
    return data


def _root(server: Server, name: str, seen: dict[str, bytes]) -> bytes | None:
    """The next root, where the server has one; kept for the slot."""
    data = server.read(name)
    if data is not None:
        seen[name] = data
    return data


def _roots(server: Server, slots: Slots, manifest: Mapping[str, Any], seen: Mapping[str, bytes]) -> dict[str, bytes]:
    """The roots that the manifest names: those that just came, those of the bundle that works, else the server's."""
    found = {}
    for root in manifest["roots"]:
        known = (seen.get(root["path"]), slots.installed(root["path"]))
        right = [data for data in known if data is not None and hashlib.sha256(data).hexdigest() == root["sha256"]]
        found[root["path"]] = right[0] if right else _needed(server, root["path"])
    return found


def _planned(server: Server, slots: Slots, manifest: Mapping[str, Any], held: Iterable[str]) -> list[Step]:
    """What is fetched, in the order of the manifest's files."""
    bases: dict[str, str] = {}
    with suppress(ValueError, KeyError, TypeError):  # the manifest on the disk may have rotted
        bases = delta.bases(parse(slots.installed(MANIFEST) or b"{}"), manifest)
    steps = []
    for digest, size in digests(manifest).items():
        if digest in held:
            continue
        whole = Step(digest, size, f"files/{digest}", size)
        base = slots.base(bases[digest]) if digest in bases else None
        steps.append((base and _delta(server, whole, base, bases[digest])) or whole)
    return steps


def _delta(server: Server, whole: Step, base: Path, old: str) -> Step | None:
    """The file as a delta; None where the server has none, it is no smaller, or nothing here decodes it."""
    if delta.library() is None:
        return None
    source = delta.name(old, whole.digest)
    size = server.size(source)
    return Step(whole.digest, whole.size, source, size, base) if size and size < whole.size else None


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


def _fetch(server: Server, folder: Path, files: Path, step: Step) -> str:
    """Bring one file; where its delta does not make it, whole."""
    if step.base and (decoder := delta.library()):
        with suppress(DeltaError), Part(folder / step.digest, step.source, step.size, decoder(step.base)) as part:
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
