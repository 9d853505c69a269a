"""A static site that boards update from: files and roots by name, deltas against what was published before.

The manifest is written last and whole, so that whoever reads it finds what it names. `manifests/` keeps those of
earlier versions: whose files the deltas start from.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeship.apps.board import delta as deltas
from edgeship.apps.board import disk
from edgeship.apps.board.document import parse
from edgeship.apps.board.tree import Tree
from edgeship.apps.board.verify import ENVELOPE, MANIFEST, Verified, digests
from edgeship.toolchain.artifact import digest
from edgeship.toolchain.bundle.manifest import SCHEMA
from edgeship.toolchain.errors import EdgeshipError, RecipeError, missing_extra

FILES, DELTAS, ROOTS, MANIFESTS = "files", "deltas", "roots", "manifests"
MOST_OF_FILE = 0.9
"""A delta that is a larger part of its file than this saves nothing that a board would notice."""
BEGUN = (FILES, DELTAS, ROOTS, MANIFESTS, f"{MANIFEST}.partial")
"""What there is where a first publishing was cut short."""
LEVEL = 5  # higher ones take three times as long for the same bytes
BLOCK = 1 << 20


@dataclass(frozen=True)
class Way:
    """What a board fetches that has this version, beside the manifest; None: that has nothing."""

    version: int | None
    size_bytes: int
    files: int
    deltas: int


def published(site: Path) -> int | None:
    """The version that a site has; None where it is empty, or not there. RecipeError for another folder's."""
    other = RecipeError(f"{site}: holds something else", "name an empty folder, or one that was published to")
    manifest = site / MANIFEST
    if manifest.is_file():
        try:
            about = parse(manifest.read_bytes())
            if about["schema"] == SCHEMA and (site / MANIFESTS / f"{about['version']}.json").is_file():
                return int(about["version"])
        except (ValueError, KeyError, TypeError) as error:
            raise other from error
        raise other
    if site.exists() and (not site.is_dir() or any(path.name not in BEGUN for path in site.iterdir())):
        raise other
    return None


def publish(bundle: Verified, site: Path, keep: int) -> list[Way]:
    """Add a bundle that was verified to a site, and say what boards fetch that come from the newest `keep` versions.

    What neither it nor those versions have is removed. EdgeshipError where the site has a newer one, or another bundle
    of its version; RecipeError for a folder of something else.
    """
    manifest, files = bundle.manifest, bundle.files
    _check_new(site, manifest["version"], files.read(MANIFEST))
    before = _before(site, manifest["version"])[:keep]
    for name in [name for name in files.sizes if name.startswith(f"{FILES}/")]:
        _copy(files, name, site / name)
    made = {name for old in before for name in _deltas(site, old, manifest)}
    for name in [name for name in files.sizes if name.startswith(f"{ROOTS}/")]:  # late: they may revoke a key
        _copy(files, name, site / name)
    for name in (f"{MANIFESTS}/{manifest['version']}.json", MANIFEST):
        _replace(site / name, files.read(MANIFEST))
    _replace(site / ENVELOPE, files.read(ENVELOPE))
    _clear(site, [manifest, *before], made)
    return [_way(site, manifest, old) for old in (*before, None)]


def make_delta(old: bytes, new: bytes, frame_bytes: int = deltas.FRAME_BYTES) -> bytes:
    """What makes `new` out of `old`, as apps/board/delta.py reads it."""
    from backports.zstd import CompressionParameter, ZstdCompressor, ZstdDict

    prefix = ZstdDict(old, is_raw=True)
    options: dict[int, int] = {
        CompressionParameter.compression_level: LEVEL,
        CompressionParameter.enable_long_distance_matching: 1,  # else the prefix's beginning is out of reach
    }
    frames = []
    for start in range(0, len(new), frame_bytes):
        part = new[start : start + frame_bytes]
        frame = ZstdCompressor(options=options, zstd_dict=prefix.as_prefix)
        frame.set_pledged_input_size(len(part))  # the frame's window is its size: what a board needs in memory
        frames.append(frame.compress(part, ZstdCompressor.FLUSH_FRAME))
    return b"".join(frames)


def check_installed() -> None:
    """MissingError where what makes deltas is not installed."""
    from importlib.util import find_spec

    if find_spec("backports") is None or find_spec("backports.zstd") is None:
        raise missing_extra("bundle", "backports.zstd")


def _check_new(site: Path, version: int, payload: bytes) -> None:
    there = published(site) or 0
    if there > version:
        raise EdgeshipError(
            f"{site}: has version {there}, which is newer than {version}", "--bundle-version of `edgeship bundle`"
        )
    if there == version and (site / MANIFEST).read_bytes() != payload:
        raise EdgeshipError(
            f"{site}: another bundle of version {version} is published", "give this one a version of its own"
        )


def _before(site: Path, version: int) -> list[Mapping[str, Any]]:
    """Manifests of earlier versions, the newest first."""
    found = [parse(file.read_bytes()) for file in (site / MANIFESTS).glob("*.json")]
    return sorted((one for one in found if one["version"] < version), key=lambda one: -one["version"])


def _copy(files: Tree, name: str, target: Path) -> None:
    """A bundle's file, unless it is there; bundles name them by their digests."""
    if target.is_file() and digest(target) == target.name:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    with files.open(name) as source, partial.open("wb") as stream:
        while block := source.read(BLOCK):
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    partial.replace(target)


def _deltas(site: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Make those that are not there, and name all that are worth keeping."""
    found = []
    for sha256, base in deltas.bases(old, new).items():
        source, target = site / FILES / base, site / deltas.name(base, sha256)
        if not target.exists() and source.exists():
            made = make_delta(source.read_bytes(), (site / FILES / sha256).read_bytes())
            if len(made) <= MOST_OF_FILE * digests(new)[sha256]:
                _replace(target, made)
        if target.exists():
            found.append(target.name)
    return found


def _clear(site: Path, manifests: Sequence[Mapping[str, Any]], made: set[str]) -> None:
    wanted = {
        FILES: {sha256 for manifest in manifests for sha256 in digests(manifest)},
        DELTAS: made,
        MANIFESTS: {f"{manifest['version']}.json" for manifest in manifests},
    }
    for folder, names in wanted.items():
        for file in [path for path in (site / folder).glob("*") if path.name not in names]:
            file.unlink()


def _replace(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    disk.replace(target, data)


def _way(site: Path, new: Mapping[str, Any], old: Mapping[str, Any] | None) -> Way:
    """What is between two versions."""
    sizes = digests(new)
    bases = deltas.bases(old, new) if old else {}
    missing = [sha256 for sha256 in sizes if old is None or sha256 not in digests(old)]
    short = {
        sha256: (site / deltas.name(bases[sha256], sha256)).stat().st_size
        for sha256 in missing
        if sha256 in bases and (site / deltas.name(bases[sha256], sha256)).exists()
    }
    total = sum(short.get(sha256, sizes[sha256]) for sha256 in missing)
    return Way(old["version"] if old else None, total, len(missing), len(short))
