"""Whether a bundle may be used: everything that is looked at before a byte of it is loaded."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from . import trust
from .document import MOST_NUMBER, lists, parse
from .envelope import decode
from .names import fit_together, is_plain
from .refusal import Refused
from .tree import MOST_BYTES, UNREADABLE, Tree, tree

MANIFEST = "manifest.json"
ENVELOPE = "manifest.dsse.json"
MANIFEST_TYPE = "application/vnd.edgeship.bundle+json"
SCHEMA, SCHEMA_VERSION = r"edgeship-bundle/([0-9]{1,9})", 1
NUMBERS = r"[0-9]{1,9}(\.[0-9]{1,9})*"
ROOT_FILE = re.compile(r"roots/[1-9][0-9]{0,8}\.json")
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
class Usable:
    """A bundle that may be used: its manifest, its files by digest, and which artifacts this device can execute."""

    manifest: Mapping[str, Any]
    files: Tree
    artifacts: tuple[str, ...]


@dataclass(frozen=True)
class Verified(Usable):
    """And who vouches for it."""

    root: trust.Root
    """The newest; a device keeps it for the next bundle."""


def verify(bundle: Path, root: trust.Root, device: Device) -> Verified:
    """Look at a bundle; Refused with a reason that speaks against it, ValueError for a clock that is none."""
    if not trust.is_time(device.now):
        raise ValueError(f"{device.now}: is not a time like 2026-11-30T12:00:00Z")
    files = tree(bundle)
    for name in (MANIFEST, ENVELOPE):
        if name not in files.sizes:
            raise Refused("file-missing", name)
    root = trust.newest(root, lambda name: files.read(name) if name in files.sizes else None, device.now)
    payload = signed(files.read(ENVELOPE), root)
    if files.read(MANIFEST) != payload:
        raise Refused("manifest-differs", MANIFEST)
    manifest = for_device(payload, device)
    _check_files(manifest, files)
    return Verified(manifest, files, executable(manifest, device), root)


def installed(slot: Path, device: Device) -> Usable:
    """Look at a bundle in its slot, which was verified when it came: whether its files are still what they were.

    Neither the clock nor a root is asked: what is installed goes on working after its expiry, and after its key was
    revoked; only what comes next must not be old or theirs. Refused where a file has rotted, or for this device's
    runtimes and ABI.
    """
    files = tree(slot)
    if MANIFEST not in files.sizes:
        raise Refused("file-missing", MANIFEST)
    manifest = _manifest(files.read(MANIFEST))
    _check_files(manifest, files)
    return Usable(manifest, files, executable(manifest, device))


def signed(data: bytes, root: trust.Root) -> bytes:
    """The manifest's bytes in an envelope that this root's keys signed; Refused where they did not."""
    envelope = decode(data)
    if envelope.payload_type != MANIFEST_TYPE:
        raise Refused("payload-type", envelope.payload_type)
    trust.check(envelope, root.bundle, root.revoked)
    return envelope.payload


def for_device(payload: bytes, device: Device) -> dict[str, Any]:
    """A manifest that was signed, where it says what it must; Refused: as `_manifest`, incompatible, expired,
    downgrade.
    """
    manifest = _manifest(payload)
    if device.compatible is not None and manifest["compatible"] != device.compatible:
        raise Refused("incompatible", manifest["compatible"])
    if manifest["expires_at"] <= device.now:
        raise Refused("expired", manifest["expires_at"])
    if device.installed is not None and manifest["version"] < device.installed:
        raise Refused("downgrade", f"{manifest['version']}, installed is {device.installed}")
    return manifest


def digests(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Sizes of a bundle's files by digest."""
    return {file["sha256"]: file["size_bytes"] for file in manifest["files"]}


def _manifest(payload: bytes) -> dict[str, Any]:
    """What is read of a manifest, of the right types; Refused: schema-too-new, manifest-malformed, path-outside,
    too-large.
    """
    try:
        about = parse(payload)
        schema = re.fullmatch(SCHEMA, about["schema"])
        if schema and int(schema[1]) > SCHEMA_VERSION:
            raise Refused("schema-too-new", about["schema"])
        files, artifacts, licences, roots = lists(about, "files", "artifacts", "licences", "roots")
        (golden,) = lists(about["golden"], "files")
        groups = [licences, golden, roots, *(_files_of(artifact) for artifact in artifacts)]
        used = {file["sha256"] for group in groups if group is not roots for file in group}
        digests_ = [file["sha256"] for file in files]
        sound = (
            schema is not None
            and int(schema[1]) == SCHEMA_VERSION
            and all(isinstance(text, str) for text in (about["name"], about["compatible"]))
            and trust.is_version(about["version"])
            and trust.is_version(about["golden"]["samples"])
            and trust.is_time(about["expires_at"])
            and all(DIGEST.fullmatch(digest) for digest in (*digests_, *(root["sha256"] for root in roots)))
            and all(_is_size(file["size_bytes"]) for file in files)
            and len(set(digests_)) == len(digests_)
            and used == set(digests_)
            and all(_is_artifact(artifact) for artifact in artifacts)
            and all(ROOT_FILE.fullmatch(root["path"]) for root in roots)
        )
        paths = [[file["path"] for file in group] for group in groups]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused("manifest-malformed") from error
    if not sound or not all(isinstance(path, str) for group in paths for path in group):
        raise Refused("manifest-malformed")
    if outside := [path for group in paths for path in group if not is_plain(path)]:
        raise Refused("path-outside", repr(outside[0]))
    entries = zip(artifacts, paths[3:], strict=True)
    if not all(map(fit_together, paths)) or not all(_has(group, artifact["entry"]) for artifact, group in entries):
        raise Refused("manifest-malformed")
    if sum(digests(about).values()) > MOST_BYTES:
        raise Refused("too-large", f"{sum(digests(about).values())} bytes")
    return about


def _files_of(artifact: dict[str, Any]) -> list[Any]:
    (files,) = lists(artifact, "files")
    return files


def _has(paths: list[str], entry: str) -> bool:
    """Whether an entry is one of these files, or a folder of some."""
    return any(path == entry or path.startswith(f"{entry}/") for path in paths)


def _is_size(value: object) -> bool:
    return type(value) is int and 0 <= value <= MOST_NUMBER


def _is_artifact(about: dict[str, Any]) -> bool:
    (abis,) = lists(about, "abis")
    runtime, limit = about["runtime"], about["min_sqnr_db"]
    texts = (about["name"], about["entry"], runtime["name"], runtime["minimum_version"], *abis)
    return (
        all(isinstance(text, str) for text in texts)
        and type(limit) in (int, float)
        and _is_size(about["size_bytes"])
        and re.fullmatch(NUMBERS, runtime["minimum_version"]) is not None
    )


def _check_files(manifest: Mapping[str, Any], files: Tree) -> None:
    """That exactly the manifest's files and roots are there, as it says."""
    stored = {f"files/{digest}": digest for digest in digests(manifest)}
    wanted = stored | {root["path"]: root["sha256"] for root in manifest["roots"]}
    if missing := sorted(wanted.keys() - files.sizes.keys()):
        raise Refused("file-missing", missing[0])
    if extra := sorted(files.sizes.keys() - wanted.keys() - {MANIFEST, ENVELOPE}):
        raise Refused("file-extra", extra[0])
    for name, digest in sorted(stored.items()):
        if files.sizes[name] != digests(manifest)[digest]:
            raise Refused("file-size", name)
    for name, digest in sorted(wanted.items()):
        if sha256(files, name) != digest:
            raise Refused("file-digest", name)


def sha256(files: Tree, name: str) -> str:
    """A file's digest; Refused: unreadable."""
    found = hashlib.sha256()
    try:
        with files.open(name) as stream:
            while block := stream.read(BLOCK):
                found.update(block)
    except UNREADABLE as error:
        raise Refused("unreadable", name) from error
    return found.hexdigest()


def executable(manifest: Mapping[str, Any], device: Device) -> tuple[str, ...]:
    """Names of the artifacts that the device can execute, in the manifest's order; Refused: runtime-missing,
    runtime-too-old, wrong-abi.
    """
    found = list(manifest["artifacts"])
    runtimes = device.runtimes
    wishes: tuple[tuple[str, Callable[[Any], bool]], ...] = (
        ("runtime-missing", lambda artifact: not runtimes or artifact["runtime"]["name"] in runtimes),
        ("runtime-too-old", lambda artifact: not runtimes or _new_enough(artifact["runtime"], runtimes)),
        ("wrong-abi", lambda artifact: device.abi is None or not artifact["abis"] or device.abi in artifact["abis"]),
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
    ours, theirs = zip(*zip_longest(_numbers(version), _numbers(than), fillvalue=0), strict=True)
    return ours < theirs


def _numbers(version: str) -> list[int]:
    """1 and 23 of 1.23-rc1 and of 1.23+cpu."""
    found = re.match(NUMBERS, version)
    return [int(number) for number in found[0].split(".")] if found else [0]
