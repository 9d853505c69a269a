"""Whether a bundle may be used: everything that is looked at before a byte of it is loaded, in the order of REASONS."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from . import trust
from .document import parse
from .envelope import decode
from .refusal import Refused
from .tree import MOST_BYTES, Tree, is_plain, tree

MANIFEST = "manifest.json"
ENVELOPE = "manifest.dsse.json"
MANIFEST_TYPE = "application/vnd.edgeship.bundle+json"
SCHEMA_NAME, SCHEMA_VERSION = "edgeship-bundle", 1
DIGEST = re.compile(r"[0-9a-f]{64}")
BLOCK = 1 << 20


@dataclass(frozen=True)
class Device:
    """Where the bundle would be used; what is None or empty is not asked about."""

    now: str
    """Its clock, in UTC: 2026-11-30T12:00:00Z."""
    installed: int | None = None
    """Version of this bundle that is there already."""
    compatible: str | None = None
    """What its product takes."""
    abi: str | None = None
    runtimes: Mapping[str, str] = field(default_factory=dict)
    """Versions by runtime."""


@dataclass(frozen=True)
class Verified:
    """A bundle that may be used: its manifest, its files by digest, and which artifacts this device can execute."""

    manifest: Mapping[str, Any]
    files: Tree
    artifacts: tuple[str, ...]
    root: trust.Root
    """The newest; a device keeps it for the next bundle."""


def verify(bundle: Path, root: trust.Root, device: Device) -> Verified:
    """Look at a bundle; Refused with the first reason that speaks against it."""
    files = tree(bundle)
    for name in (MANIFEST, ENVELOPE):
        if name not in files.sizes:
            raise Refused("file-missing", name)
    root = trust.newest(root, files, device.now)
    envelope = decode(files.read(ENVELOPE))
    if envelope.payload_type != MANIFEST_TYPE:
        raise Refused("payload-type", envelope.payload_type)
    trust.check(envelope, root.bundle, root.revoked)
    if files.read(MANIFEST) != envelope.payload:
        raise Refused("manifest-differs", MANIFEST)
    manifest = _manifest(envelope.payload)
    _check_use(manifest, device)
    _check_files(manifest, files)
    return Verified(manifest, files, _artifacts(manifest, device), root)


def digests(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Sizes of a bundle's files by digest."""
    return {file["sha256"]: file["size_bytes"] for file in manifest["files"]}


def _manifest(payload: bytes) -> dict[str, Any]:
    """What is read of a manifest, of the right types; Refused: schema-too-new, manifest-malformed, path-outside,
    too-large.
    """
    try:
        about = parse(payload)
        name, _, number = about["schema"].partition("/")
        if name == SCHEMA_NAME and number.isdecimal() and int(number) > SCHEMA_VERSION:
            raise Refused("schema-too-new", about["schema"])
        paths = [file["path"] for file in _named_files(about)]
        sound = (
            about["schema"] == f"{SCHEMA_NAME}/{SCHEMA_VERSION}"
            and all(isinstance(text, str) for text in (about["name"], about["compatible"], *paths))
            and trust.is_version(about["version"])
            and trust.is_time(about["expires_at"])
            and all(DIGEST.fullmatch(file["sha256"]) and _is_size(file["size_bytes"]) for file in about["files"])
            and len({file["sha256"] for file in about["files"]}) == len(about["files"])
            and {file["sha256"] for file in _named_files(about)} == {file["sha256"] for file in about["files"]}
            and all(_is_artifact(artifact) for artifact in about["artifacts"])
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused("manifest-malformed") from error
    if not sound:
        raise Refused("manifest-malformed")
    if outside := [path for path in paths if not is_plain(path)]:
        raise Refused("path-outside", repr(outside[0]))
    if sum(digests(about).values()) > MOST_BYTES:
        raise Refused("too-large", f"{sum(digests(about).values())} bytes")
    return about


def _named_files(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Everything with a path and a digest: of artifacts, golden samples and licences."""
    for artifact in manifest["artifacts"]:
        yield from artifact["files"]
    yield from manifest["golden"]["files"]
    yield from manifest["licences"]


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= trust.MOST_VERSION


def _is_artifact(about: Mapping[str, Any]) -> bool:
    runtime = about["runtime"]
    texts = (about["name"], runtime["name"], runtime["minimum_version"], *about["abis"])
    return (
        all(isinstance(text, str) for text in texts)
        and isinstance(about["abis"], list)
        and re.fullmatch(r"\d+(\.\d+)*", runtime["minimum_version"]) is not None
    )


def _check_use(manifest: Mapping[str, Any], device: Device) -> None:
    if device.compatible is not None and manifest["compatible"] != device.compatible:
        raise Refused("incompatible", manifest["compatible"])
    if manifest["expires_at"] <= device.now:
        raise Refused("expired", manifest["expires_at"])
    if device.installed is not None and manifest["version"] < device.installed:
        raise Refused("downgrade", f"{manifest['version']}, installed is {device.installed}")


def _check_files(manifest: Mapping[str, Any], files: Tree) -> None:
    """That exactly the manifest's files are there, as it says."""
    wanted = {f"files/{digest}": size for digest, size in digests(manifest).items()}
    if missing := sorted(wanted.keys() - files.sizes.keys()):
        raise Refused("file-missing", missing[0])
    known = {MANIFEST, ENVELOPE, *wanted}
    extra = sorted(name for name in files.sizes.keys() - known if not re.fullmatch(r"roots/[1-9]\d*\.json", name))
    if extra:
        raise Refused("file-extra", extra[0])
    for name, size in sorted(wanted.items()):
        if files.sizes[name] != size:
            raise Refused("file-size", name)
    for name in sorted(wanted):
        if _sha256(files, name) != name.removeprefix("files/"):
            raise Refused("file-digest", name)


def _sha256(files: Tree, name: str) -> str:
    found = hashlib.sha256()
    with files.open(name) as stream:
        while block := stream.read(BLOCK):
            found.update(block)
    return found.hexdigest()


def _artifacts(manifest: Mapping[str, Any], device: Device) -> tuple[str, ...]:
    """Names of those that the device can execute, in the manifest's order."""
    found = list(manifest["artifacts"])
    runtimes = device.runtimes
    wishes: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("runtime-missing", lambda artifact: not runtimes or artifact["runtime"]["name"] in runtimes),
        ("runtime-too-old", lambda artifact: not runtimes or _new_enough(artifact["runtime"], runtimes)),
        ("wrong-abi", lambda artifact: not (device.abi and artifact["abis"]) or device.abi in artifact["abis"]),
    )
    for reason, fits in wishes:
        fitting = [artifact for artifact in found if fits(artifact)]
        if not fitting:
            raise Refused(reason, ", ".join(artifact["name"] for artifact in found))
        found = fitting
    return tuple(artifact["name"] for artifact in found)


def _new_enough(runtime: Mapping[str, str], versions: Mapping[str, str]) -> bool:
    return not _older(versions[runtime["name"]], runtime["minimum_version"])


def _older(version: str, than: str) -> bool:
    """By the numbers they begin with: 1.23.0 is not older than 1.23."""
    numbers = [[int(number) for number in re.findall(r"\d+", _numeric(text))] for text in (version, than)]
    ours, theirs = zip(*zip_longest(*numbers, fillvalue=0), strict=True)
    return ours < theirs


def _numeric(version: str) -> str:
    """1.23 of 1.23-rc1 and of 1.23+cpu."""
    found = re.match(r"\d+(\.\d+)*", version)
    return found[0] if found else "0"
