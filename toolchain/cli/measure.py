"""Commands that measure files: bench, compare, rehearse, soak."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgeship.toolchain.cli.app import (
    DEVICE,
    MISSING,
    STOPPED,
    WRONG,
    Command,
    Inputs,
    Json,
    OnDevice,
    Quick,
    Sizes,
    Threads,
    app,
    exit_codes,
)
from edgeship.toolchain.errors import EXIT_DEVICE, EXIT_INCONCLUSIVE, EXIT_LINE_FAILED, EXIT_OK

CHANGED = f"{EXIT_LINE_FAILED} a file does not run, answers otherwise or is slower"
LEAK = f"{EXIT_LINE_FAILED} a file leaks"
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


LaunchSeconds = Annotated[float, typer.Option(metavar="SECONDS", help="Measuring time per launch.")]
UNDECIDED_CODES = {Undecided.stop: EXIT_INCONCLUSIVE, Undecided.go_on: EXIT_OK}
Inconclusive = Annotated[
    Undecided, typer.Option(help="How to end where nothing can be concluded: pass is for shared CI machines.")
]


@app.command(cls=Command, epilog=exit_codes(REGRESSION, WRONG, UNDECIDED, MISSING, DEVICE, STOPPED))
def bench(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Model files to measure beside each other.")],
    against: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="The baseline: one for all files, or one for each, in their order."),
    ] = [],  # noqa: B006
    inconclusive: Inconclusive = Undecided.stop,
    inputs: Inputs = [],  # noqa: B006
    size: Sizes = [],  # noqa: B006
    threads: Annotated[int, typer.Option(metavar="COUNT", help="Threads of the runtime.")] = 1,
    launches: Annotated[int, typer.Option(metavar="COUNT", help="Process launches per file.")] = 5,
    seconds: LaunchSeconds = 10.0,
    device: OnDevice = "local",
    quick: Quick = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every raw sample there, as JSON.")] = None,
    as_json: Json = False,
) -> None:
    """Measure files beside each other, no recipe needed.

    Their launches are interleaved, so that what disturbs one disturbs all. With --against each is compared with its
    baseline, which is measured anew among them: 10 launches and more find small effects.
    """
    from edgeship.toolchain.commands import bench as benching
    from edgeship.toolchain.commands import compare as comparing
    from edgeship.toolchain.commands.subjects import Calls
    from edgeship.toolchain.recipe import arguments
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.files import bench_view

    options, calls = arguments.bench_options(threads, launches, seconds), Calls(inputs, size, threads)
    measured, results = benching.bench(
        files, against, calls, options, quick, arguments.device_of(device), device, console.print_note
    )
    if out is not None:
        benching.write_results(measured, results, out)
    if as_json:
        console.print_json(measured.summary())
    else:
        console.show(bench_view(measured))
    if any(benched.error for benched in measured.files):
        raise typer.Exit(EXIT_DEVICE)
    if code := comparing.exit_code(*measured.comparisons, inconclusive=UNDECIDED_CODES[inconclusive]):
        raise typer.Exit(code)


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
    seconds: LaunchSeconds = 0.5,
    inconclusive: Inconclusive = Undecided.stop,
    inputs: Inputs = [],  # noqa: B006
    size: Sizes = [],  # noqa: B006
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Say whether a file got slower or faster than another.

    Their launches come in pairs, in turn; the verdict is regression, improvement, no change or inconclusive. On an
    emulated core: more, fewer or the same instructions.
    """
    from edgeship.toolchain.commands import compare as comparing
    from edgeship.toolchain.commands.subjects import Calls
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
        Calls(inputs, size, threads),
        console.print_note,
    )
    if as_json:
        console.print_document(found)
    else:
        console.show(comparison_view(found))
    if code := comparing.exit_code(found, inconclusive=UNDECIDED_CODES[inconclusive]):
        raise typer.Exit(code)


@app.command(cls=Command, epilog=exit_codes(CHANGED, WRONG, UNDECIDED, MISSING, DEVICE, STOPPED))
def rehearse(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Model files of one runtime.")],
    requirements: Annotated[
        list[str],
        typer.Option(
            "--with", metavar="NAME==VERSION", help="The other version, and then what it needs: onnxruntime==1.30.0"
        ),
    ],
    pairs: Annotated[
        int, typer.Option(metavar="COUNT", min=0, help="Launches under each version; 0: outputs alone.")
    ] = 20,
    seconds: LaunchSeconds = 0.5,
    core: Annotated[
        str | None,
        typer.Option("--count", metavar="CORE", help="Count instructions, too, on an emulated core: cortex-a76."),
    ] = None,
    inconclusive: Inconclusive = Undecided.stop,
    inputs: Inputs = [],  # noqa: B006
    size: Sizes = [],  # noqa: B006
    threads: Threads = 1,
    as_json: Json = False,
) -> None:
    """Say what another version of the runtime would change.

    It is installed into a Python of its own in the cache. The same files get the same inputs under both versions, on
    this host: do they run, do they answer the same, are they slower; and how many instructions they take on a core.
    """
    from edgeship.toolchain.commands import rehearse as rehearsing
    from edgeship.toolchain.commands.subjects import Calls
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.rehearsal import rehearsal_view

    found = rehearsing.rehearse(
        files, requirements, pairs, seconds, core, Calls(inputs, size, threads), console.print_note
    )
    if as_json:
        console.print_document(found)
    else:
        console.show(rehearsal_view(found))
    if code := rehearsing.exit_code(found, UNDECIDED_CODES[inconclusive]):
        raise typer.Exit(code)


@app.command(cls=Command, epilog=exit_codes(LEAK, WRONG, MISSING, DEVICE, STOPPED))
def soak(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Model files, run one after another.")],
    minutes: Annotated[float, typer.Option(metavar="MINUTES", min=0, help="How long each runs without a pause.")] = 10,
    window: Annotated[float, typer.Option(metavar="SECONDS", min=0.01, help="What one figure is taken over.")] = 10,
    rounds: Annotated[int, typer.Option(metavar="COUNT", min=1, help="Loads and unloads, for leaks.")] = 200,
    streams: Annotated[int, typer.Option(metavar="COUNT", min=1, max=256, help="Calls at once, each on its own.")] = 1,
    inputs: Inputs = [],  # noqa: B006
    size: Sizes = [],  # noqa: B006
    threads: Annotated[int, typer.Option(metavar="COUNT", min=1, help="Threads of each stream.")] = 1,
    device: OnDevice = "local",
    as_json: Json = False,
) -> None:
    """Run files for long: do they get slower, and do they leak.

    Calls per second over time, with the hottest sensor beside them, and what the process holds after many loads.
    """
    from edgeship.toolchain.commands import soak as soaking
    from edgeship.toolchain.commands.subjects import Calls
    from edgeship.toolchain.measure.soak import Plan
    from edgeship.toolchain.recipe import arguments
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.soak import soak_view

    plan = Plan(60 * minutes, window, rounds, streams)
    found = soaking.soak(files, plan, arguments.device_of(device), Calls(inputs, size, threads), console.print_note)
    if as_json:
        console.print_document(found)
    else:
        console.show(soak_view(found))
    if code := soaking.exit_code(found):
        raise typer.Exit(code)
