"""Lists: a recipe's lines, the plugins, what this machine has, what the cache holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from edgeship.toolchain.recipe.plan import Plan
from edgeship.toolchain.report.format import size
from edgeship.toolchain.report.terminal.console import count
from edgeship.toolchain.report.terminal.table import Column, FittedTable


def plans_view(recipe: Path, plans: Iterable[Plan]) -> Iterator[Text | FittedTable]:
    """What `check` says of a recipe without errors: its lines."""
    rows = [[p.model.name, p.variant, p.target_name, str(p.spec), p.unsupported or ""] for p in plans]
    columns = [Column(title, "key") for title in ("model", "variant", "target")]
    yield FittedTable([*columns, Column("spec"), Column("unsupported", "text")], rows)
    yield Text("")
    yield Text(f"{recipe}: {count(len(rows), 'line')}, no problems", "green")


def plugins_view(plugins: Sequence[Mapping[str, Any]]) -> Iterator[Text | FittedTable]:
    """What `targets` lists."""
    columns = [Column("kind", "key"), Column("name", "key"), Column("installed", "text")]
    rows = [
        [p["group"], p["name"], "yes" if p["installed"] else p["install"], ", ".join(p["specs"] or p["options"])]
        for p in plugins
    ]
    yield FittedTable([*columns, Column("number formats / options", "text")], rows)


def machine_view(checks: Sequence[Mapping[str, str]]) -> Iterator[Text | FittedTable]:
    """What `doctor` found."""
    rows = [[c["what"], c["found"] or "missing", c["for"], c["remedy"]] for c in checks]
    yield FittedTable([Column("what", "key"), Column("found"), Column("for", "text"), Column("remedy", "text")], rows)
    missing = [c["what"] for c in checks if not c["found"]]
    yield Text("")
    yield Text(f"{len(missing)} missing: {', '.join(missing)}" if missing else "nothing is missing")


def cache_view(
    root: Path, limit_bytes: int, cleared: bool, kinds: Mapping[str, Sequence[int]]
) -> Iterator[Text | FittedTable]:
    """The sizes of entries by kind, and where they lie."""
    rows = [[kind, str(len(sizes)), size(sum(sizes))] for kind, sizes in sorted(kinds.items())]
    yield FittedTable([Column("kind", "key"), Column("entries", "figure"), Column("size", "figure")], rows)
    total = size(sum(map(sum, kinds.values())))
    yield Text("")
    yield Text(f"{root}: {'cleared' if cleared else f'{total} of at most {size(limit_bytes)}'}")
