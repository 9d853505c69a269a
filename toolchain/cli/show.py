"""Commands that show what is there: report, targets, doctor, cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeship.toolchain.cli.app import Command, Json, app


@app.command(cls=Command)
def report(
    folder: Annotated[Path, typer.Argument(help="A run directory; default: the newest.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """Show a run again and write its HTML report anew.

    A run without report.json was stopped before its end: it is passed over.
    """
    from edgeship.toolchain.report import html as reports
    from edgeship.toolchain.report import terminal as console
    from edgeship.toolchain.report.folder import newest

    run_folder = newest(folder)
    document = run_folder.report()
    path = reports.write_html(document, run_folder.page)
    if as_json:
        console.print_json(document.model_dump_json(by_alias=True, exclude_none=True, indent=1))
        return
    console.print_report(document)
    console.say(f"\nreport: {path}")


@app.command(cls=Command)
def targets(as_json: Json = False) -> None:
    """List every pass, target, data source, metric and device."""
    from edgeship.toolchain.commands import doctor as catalogue
    from edgeship.toolchain.report import terminal as console

    rows = catalogue.plugins()
    if as_json:
        console.print_json(rows)
    else:
        console.print_catalogue(rows)


@app.command(cls=Command)
def doctor(as_json: Json = False) -> None:
    """Say what this machine lacks, and how to install it."""
    from edgeship.toolchain.commands import doctor as catalogue
    from edgeship.toolchain.report import terminal as console

    checks = catalogue.machine()
    if as_json:
        console.print_json(checks)
        return
    rows = [[c["what"], c["found"] or "missing", c["for"], c["remedy"]] for c in checks]
    console.print_table(["what", "found", "for", "remedy"], rows, wraps=["for"])


@app.command(cls=Command)
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the cache holds, or empty it.

    It lies in $EDGESHIP_CACHE, else in the platform's cache folder. Each run first removes what was not used for the
    longest time until it holds no more than $EDGESHIP_CACHE_LIMIT_GB (20).
    """
    from edgeship.toolchain.build.store import Store
    from edgeship.toolchain.report import terminal as console
    from edgeship.toolchain.report.format import size

    store = Store()
    entries = store.entries()
    if clear:
        for entry in entries:
            store.remove(entry)
    kinds: dict[str, list[int]] = {}
    for entry in entries:
        kinds.setdefault(entry.kind, []).append(entry.size_bytes)
    if as_json:
        about = {kind: {"entries": len(sizes), "size_bytes": sum(sizes)} for kind, sizes in kinds.items()}
        console.print_json(
            {"root": str(store.root), "limit_bytes": store.limit_bytes, "cleared": clear, "kinds": about}
        )
        return
    rows = [[kind, str(len(sizes)), size(sum(sizes))] for kind, sizes in sorted(kinds.items())]
    console.print_table(["kind", "entries", "size"], rows, ("entries", "size"))
    console.say(f"\n{store.root}" + (": cleared" if clear else f" (limit {store.limit_bytes / 1e9:g} GB)"))
