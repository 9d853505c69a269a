"""Lists: a recipe's lines, the plugins, what this machine has, what the cache holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from edgeship.toolchain.advice import Advice
from edgeship.toolchain.profile import Profile
from edgeship.toolchain.recipe.plan import Plan
from edgeship.toolchain.report.format import size
from edgeship.toolchain.report.terminal.console import count
from edgeship.toolchain.report.terminal.table import Cell, Column, FittedTable


def plans_view(recipe: Path, plans: Iterable[Plan]) -> Iterator[Text | FittedTable]:
    """What `check` says of a recipe without errors: its lines."""
    rows = [[p.model.name, p.variant, p.target_name, str(p.spec), p.unsupported or ""] for p in plans]
    columns = [Column(title, "key") for title in ("model", "variant", "target")]
    yield FittedTable([*columns, Column("spec"), Column("unsupported", "text")], rows)
    yield Text("")
    yield Text(f"{recipe}: {count(len(rows), 'line')}, no problems", "green")


INT8_FEATURES = {
    "asimddp": "int8 dot product", "i8mm": "int8 matrix product", "avx512_vnni": "int8 dot product",
    "avx_vnni": "int8 dot product",
}  # fmt: skip
"""CPU features that make int8 fast → as a reader knows them."""
LEVELS = {"stop": "bold red", "doubt": "yellow", "fine": "green"}


def fits_view(fits: Sequence[tuple[str, str, Advice]]) -> Iterator[Text | FittedTable]:
    """What `check --profile` says, from public facts alone."""
    rows: list[list[Cell]] = [
        [device, line, Text(advice.level, LEVELS[advice.level]), advice.text, advice.remedy]
        for device, line, advice in fits
    ]
    columns = [Column("device", "key"), Column("line", "key"), Column("advice"), Column("why", "text")]
    yield FittedTable([*columns, Column("remedy", "text")], rows)
    yield Text("")
    yield Text("advice from public facts (see `edgeship profiles`): nothing was executed", "dim")


def profiles_view(profiles: Mapping[str, Profile]) -> Iterator[Text | FittedTable]:
    """What `profiles` lists."""
    rows = [
        [
            name,
            f"{one.system} {one.minimum_version}".strip(),
            ", ".join(f"{ram / 1e9:g}" if ram >= 1e9 else size(ram) for ram in one.ram_bytes),
            ", ".join(f"{part.cores}×{part.core}" for part in one.clusters),
            "yes" if one.has_dot_product else "no",
            ", ".join(one.accelerators),
            one.confidence,
        ]
        for name, one in profiles.items()
    ]
    columns = [Column("profile", "key"), Column("system"), Column("GB"), Column("cores", "text"), Column("dot product")]
    yield FittedTable([*columns, Column("accelerators", "text"), Column("confidence")], rows)


def devices_view(seen: Sequence[Mapping[str, Any]]) -> Iterator[Text | FittedTable]:
    """What `devices` found: facts where one was reached, else why not and what to do."""
    rows: list[list[Cell]] = []
    for one in seen:
        name, kind, facts = one["name"], one["kind"], one["facts"]
        if facts is None:
            rows.append([name, kind, "", "", "", "", Text(one["reason"], "yellow")])
            continue
        cpu, system = facts["cpu"], facts["os"]
        about = [
            *([f"emulated by {facts['emulated_by']}"] if "emulated_by" in facts else []),
            *(["shared with other work"] if one["shared"] else []),
            *(said for feature, said in INT8_FEATURES.items() if feature in cpu.get("features", [])),
        ]
        rows.append([
            name, kind, facts.get("model", ""), f"{system['name']} {system.get('version', '')}".strip(),
            f"{cpu.get('cores', '?')}×{cpu['arch']}", size(facts["ram"]) if "ram" in facts else "",
            ", ".join(dict.fromkeys(about)),
        ])  # fmt: skip
    columns = [Column("device", "key"), Column("kind", "key"), Column("model", "text"), Column("system", "text")]
    yield FittedTable([*columns, Column("CPU"), Column("RAM", "figure"), Column("about", "text")], rows)
    for one in seen:
        if one["remedy"]:
            yield Text(f"{one['name']}: {one['remedy']}", "dim")


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
