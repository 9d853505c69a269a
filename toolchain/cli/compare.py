"""The command that sets a candidate beside a baseline: compare."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgeship.toolchain.cli.app import DEVICE, MISSING, STOPPED, WRONG, Command, Inputs, Json, OnDevice, app, exit_codes
from edgeship.toolchain.errors import EXIT_INCONCLUSIVE, EXIT_LINE_FAILED, EXIT_OK

REGRESSION = f"{EXIT_LINE_FAILED} a regression"
UNDECIDED = f"{EXIT_INCONCLUSIVE} inconclusive"


class Quantities(StrEnum):
    """What can be compared."""

    latency = "latency"
    cold_start = "cold-start"
    instructions = "instructions"


class Undecided(StrEnum):
    """What an inconclusive comparison is to a script."""

    stop = "fail"
    go_on = "pass"


@app.command(cls=Command, epilog=exit_codes(REGRESSION, WRONG, UNDECIDED, MISSING, DEVICE, STOPPED))
def compare(
    baseline: Annotated[Path, typer.Argument(metavar="BASELINE", help="The model file that is known.")],
    candidate: Annotated[Path, typer.Argument(metavar="CANDIDATE", help="The one that may be better or worse.")],
    device: OnDevice = "local",
    quantity: Annotated[
        Quantities | None, typer.Option(help="What to compare; else latency, on emulated cores instructions.")
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="PERCENT", help="An effect that matters; else 5, cold-start 10, instructions 1."),
    ] = None,
    pairs: Annotated[int, typer.Option(metavar="COUNT", min=2, help="Launches of each file, fixed beforehand.")] = 20,
    seconds: Annotated[float, typer.Option(metavar="SECONDS", help="Measuring time per launch.")] = 0.5,
    inconclusive: Annotated[
        Undecided, typer.Option(help="How to end where nothing can be concluded: pass is for shared CI machines.")
    ] = Undecided.stop,
    inputs: Inputs = [],  # noqa: B006
    size: Annotated[
        list[str], typer.Option("--size", metavar="NAME=SIZE", help="Size of a dynamic dimension; else 1.")
    ] = [],  # noqa: B006
    threads: Annotated[int, typer.Option(metavar="COUNT", min=1, help="Threads of the runtime.")] = 1,
    as_json: Json = False,
) -> None:
    """Say whether a file got slower or faster than another.

    Their launches come in pairs, in turn; the verdict is regression, improvement, no change or inconclusive. On an
    emulated core: more, fewer or the same instructions.
    """
    from edgeship.toolchain.commands import compare as comparing
    from edgeship.toolchain.recipe import arguments
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.comparison import comparison_view

    found = comparing.compare(
        (baseline, candidate),
        arguments.device_of(device),
        device,
        quantity.value if quantity else None,
        None if threshold is None else threshold / 100,
        pairs,
        seconds,
        inputs,
        size,
        threads,
        console.print_note,
    )
    if as_json:
        console.print_json(found.model_dump_json(by_alias=True, exclude_none=True, indent=1))
    else:
        console.show(comparison_view(found))
    undecided = EXIT_OK if inconclusive is Undecided.go_on else EXIT_INCONCLUSIVE
    if code := comparing.exit_code(found, undecided):
        raise typer.Exit(code)
