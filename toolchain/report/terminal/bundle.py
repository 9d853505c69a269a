"""A bundle and the keys that sign bundles, for a person."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from edgeship.apps.board.trust import Root
from edgeship.toolchain.report.downloads import Download
from edgeship.toolchain.report.format import milliseconds, share, size
from edgeship.toolchain.report.terminal.console import count
from edgeship.toolchain.report.terminal.table import Column, FittedTable

SHOWN_DIGITS = 16


def bundle_view(
    place: Path, manifest: Mapping[str, Any], usable: Collection[str] | None = None
) -> Iterator[Text | FittedTable]:
    """What `bundle` made, or, with the artifacts that a device can execute, what `verify-bundle` found right."""
    total = sum(file["size_bytes"] for file in manifest["files"])
    said = "written" if usable is None else "may be used"
    yield Text(f"{place}: {said}: {manifest['name']} {manifest['version']}", "green")
    yield Text(
        f"{count(len(manifest['files']), 'file')}, {size(total)}; for {manifest['compatible']}; "
        f"{count(manifest['golden']['samples'], 'golden sample')}; until {manifest['expires_at']}"
    )
    shown = [a for a in manifest["artifacts"] if usable is None or a["name"] in usable]
    columns = [Column("artifact", "key"), Column("runtime", "key"), Column("from"), Column("size", "figure")]
    rows = [
        [a["name"], a["runtime"]["name"], a["runtime"]["minimum_version"], size(a["size_bytes"]), *_found(a)]
        for a in shown
    ]
    yield FittedTable([*columns, Column("metric"), Column("p50 ms", "text")], rows)
    if left := len(manifest["artifacts"]) - len(shown):
        yield Text(f"{count(left, 'artifact')} not for this device", "dim")


def downloads_view(found: Sequence[Download]) -> Iterator[Text | FittedTable]:
    """What a user downloads for each artifact on each kind of device."""
    rows = [
        [one.name, one.library.platform, _bytes(one.compressed_bytes), _bytes(one.library.compressed_bytes),
         _bytes(one.together_bytes), one.library.about]
        for one in found
    ]  # fmt: skip
    yield Text("")
    figures = [Column(title, "figure") for title in ("file", "runtime", "together")]
    title = "a user downloads"
    yield FittedTable([Column(title, "key"), Column("device", "key"), *figures, Column("runtime of", "text")], rows)
    yield Text("compressed; a runtime with fewer operators is smaller: edgeship reduced-build", "dim")


def _bytes(count_: int | None) -> str:
    return "not known" if count_ is None else size(count_) if count_ else "none"


def _found(artifact: Mapping[str, Any]) -> list[str]:
    metric = ", ".join(f"{name} {share(value)}" for name, value in artifact.get("metric", {}).items())
    timed = [f for f in artifact["figures"] if "p50" in f["latency_ns"]]
    return [metric, ", ".join(f"{milliseconds(f['latency_ns']['p50'])} ({f['device']})" for f in timed)]


def codegen_view(name: str, files: Sequence[Path]) -> Iterator[Text]:
    """What `codegen` wrote."""
    yield Text(f"{name}: written", "green")
    yield from (Text(str(file)) for file in files)


def published_view(site: Path, version: int, ways: Sequence[Mapping[str, Any]]) -> Iterator[Text | FittedTable]:
    """What boards fetch of a version that was published, by the one that they have."""
    yield Text(f"{site}: published: {version}", "green")
    rows = [
        [str(way["version"] or "none"), size(way["size_bytes"]), str(way["files"] - way["deltas"]), str(way["deltas"])]
        for way in ways
    ]
    columns = [Column("a board has", "key"), Column("it fetches", "figure")]
    yield FittedTable([*columns, Column("whole files", "figure"), Column("deltas", "figure")], rows)


def keys_view(folder: Path, roots: Sequence[Path], root: Root) -> Iterator[Text | FittedTable]:
    """Who may sign."""
    yield Text(f"{folder}: root version {root.version}, until {root.expires_at}")
    rows = [
        [role, key[:SHOWN_DIGITS]] for role, one in (("root", root.root), ("bundle", root.bundle)) for key in one.keys
    ]
    rows += [["revoked", key[:SHOWN_DIGITS]] for key in sorted(root.revoked)]
    yield FittedTable([Column("role", "key"), Column("key")], rows)
    yield Text(f"an app ships with {roots[0]}", "dim")
