"""Commands that show what is there: report, history, targets, profiles, devices, doctor, cache."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeship.toolchain.cli.app import DEVICE, MISSING, WRONG, Command, Json, app, exit_codes
from edgeship.toolchain.errors import EXIT_DEVICE


@app.command(cls=Command, epilog=exit_codes(WRONG))
def report(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="A run directory, or a folder of runs: then the newest.")
    ] = Path("runs"),
    as_json: Json = False,
) -> None:
    """Show a run again and write its HTML report anew.

    A run without report.json was stopped before its end: it is passed over.
    """
    from edgeship.toolchain.report import html as reports
    from edgeship.toolchain.report.folder import newest
    from edgeship.toolchain.report.terminal import console, run

    run_folder = newest(folder)
    document = run_folder.report()
    path = reports.write_html(document, run_folder.page)
    if as_json:
        console.print_document(document)
        return
    console.show(run.report_view(document))
    console.say(f"\nreport: {path}")


@app.command(cls=Command, epilog=exit_codes(WRONG))
def history(
    recipe: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Only the runs of the recipe of this name.")
    ] = None,
    figure: Annotated[
        list[str] | None, typer.Option("--figure", "-f", metavar="FIGURE", help="Only this figure; may be repeated.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many values of each.")] = 5,
    as_json: Json = False,
) -> None:
    """Show how the figures of files changed from run to run.

    Every run adds to one file: $EDGESHIP_HISTORY, else in the platform's data folder; no cache limit touches it. A
    change is told of what is the same in every run (size, metric, instructions), under the same conditions.
    """
    import dataclasses

    from edgeship.toolchain.errors import RecipeError
    from edgeship.toolchain.report import past
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.past import past_view

    if unknown := [name for name in figure or () if name not in past.FIGURES]:
        raise RecipeError(f"there is no figure {', '.join(unknown)}", f"one of {', '.join(past.FIGURES)}")
    found = past.entries(recipe, tuple(figure) if figure else past.FIGURES)
    if as_json:
        console.print_json([dataclasses.asdict(entry) for entry in found])
    else:
        console.show(past_view(found, last))


@app.command(cls=Command)
def targets(as_json: Json = False) -> None:
    """List every pass, target, data source, metric and device."""
    from edgeship.toolchain.commands import doctor as catalogue
    from edgeship.toolchain.report.terminal import console, lists

    rows = catalogue.plugins()
    if as_json:
        console.print_json(rows)
    else:
        console.show(lists.plugins_view(rows))


@app.command(cls=Command)
def profiles(as_json: Json = False) -> None:
    """List the devices whose public facts are known."""
    from edgeship.toolchain import profile
    from edgeship.toolchain.report.terminal import console, lists

    known = profile.profiles()
    if as_json:
        console.print_json({name: one.model_dump(mode="json") for name, one in known.items()})
    else:
        console.show(lists.profiles_view(known))


@app.command(cls=Command, epilog=exit_codes(WRONG, DEVICE))
def devices(
    recipe: Annotated[
        Path | None, typer.Argument(metavar="RECIPE", help="Its devices; else every kind, as it is without options.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which devices can be reached and what they are.

    Exit code 5 when one of a recipe's cannot.
    """
    from dataclasses import asdict

    from edgeship.toolchain.commands import devices as looking
    from edgeship.toolchain.recipe import read as recipes
    from edgeship.toolchain.report.terminal import console, lists

    found = looking.look(recipes.read(recipe).devices) if recipe else looking.known()
    seen = [asdict(each) for each in found]
    if as_json:
        console.print_json(seen)
    else:
        console.show(lists.devices_view(seen))
    if recipe and any(each["facts"] is None for each in seen):
        raise typer.Exit(EXIT_DEVICE)


@app.command(cls=Command)
def doctor(as_json: Json = False) -> None:
    """Say what this machine lacks, and how to install it."""
    from edgeship.toolchain.commands import doctor as catalogue
    from edgeship.toolchain.report.terminal import console, lists

    checks = catalogue.machine()
    if as_json:
        console.print_json(checks)
    else:
        console.show(lists.machine_view(checks))


@app.command(cls=Command, epilog=exit_codes(MISSING))
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything.")] = False,
    as_json: Json = False,
) -> None:
    """Show what the cache holds, or empty it.

    It lies in $EDGESHIP_CACHE, else in the platform's cache folder. Each run first removes what was not used for the
    longest time until it holds no more than $EDGESHIP_CACHE_LIMIT_GB (20).
    """
    from edgeship.toolchain.build.store import Store
    from edgeship.toolchain.report.terminal import console, lists

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
    else:
        console.show(lists.cache_view(store.root, store.limit_bytes, clear, kinds))
