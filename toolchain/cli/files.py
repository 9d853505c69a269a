"""Commands that look into files that are there: verify, inspect, operators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeship.toolchain.cli.app import (
    DAMAGED,
    DEVICE,
    FAILED,
    INCONCLUSIVE,
    MISSING,
    STOPPED,
    WRONG,
    Arguments,
    Command,
    Inputs,
    Json,
    OnDevice,
    PreprocessOption,
    Sizes,
    Strict,
    Threads,
    Weights,
    app,
    exit_codes,
)
from edgeship.toolchain.errors import EXIT_INCONCLUSIVE, EXIT_LINE_FAILED


@app.command(cls=Command, epilog=exit_codes(FAILED, WRONG, INCONCLUSIVE, MISSING, DEVICE, STOPPED))
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A model file of any runtime, made anywhere.")],
    against: Annotated[str, typer.Option(metavar="MODEL", help="The model: a factory, a .pt2, or a recipe's .toml.")],
    data: Annotated[
        str | None, typer.Option(metavar="DATA", help="Inputs to compare on: a path or ./file.py:function.")
    ] = None,
    preprocess: PreprocessOption = None,
    inputs: Inputs = [],  # noqa: B006
    weights: Weights = None,
    argument: Arguments = [],  # noqa: B006
    spec: Annotated[
        str | None, typer.Option(metavar="SPEC", help="What the file should be, e.g. w8a8-static; else guessed.")
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Task metric on the data; see `edgeship targets`.")
    ] = None,
    device: OnDevice = "local",
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Prove that a file computes what a model computes.

    On data, through the file's real runtime, by the limits of `run`.
    """
    from edgeship.toolchain.commands import verify as verifying
    from edgeship.toolchain.recipe import arguments
    from edgeship.toolchain.report.terminal import console, files

    given = arguments.ModelArguments(against, inputs, argument, weights)
    verdict = verifying.verify(
        file, given, data, preprocess, spec, metric, arguments.device_of(device), console.print_note
    )
    if as_json:
        console.print_document(verdict)
    else:
        console.show(files.verdict_view(file, verdict))
    if verdict.verdict == "fail":
        raise typer.Exit(EXIT_LINE_FAILED)
    if strict and verdict.verdict == "unverifiable":
        raise typer.Exit(EXIT_INCONCLUSIVE)


@app.command(cls=Command, epilog=exit_codes(DAMAGED, WRONG, MISSING))
def inspect(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A .pte, .onnx, .tflite, .mlpackage, .aimodel, .pt, .ptl or .pt2.")
    ],
    as_json: Json = False,
) -> None:
    """Look into a file: inputs, operators, dtypes, size by layer."""
    from edgeship.toolchain.commands import inspect as foreign
    from edgeship.toolchain.report.terminal import console, files

    about = foreign.inspect(file)
    if as_json:
        console.print_json(about)
    else:
        console.show(files.inspection_view(about))


@app.command(cls=Command, epilog=exit_codes(WRONG, MISSING, DEVICE, STOPPED))
def operators(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="ONNX and ExecuTorch files.")],
    top: Annotated[int, typer.Option(metavar="COUNT", min=1, help="How many operators are named.")] = 10,
    inputs: Inputs = [],  # noqa: B006
    size: Sizes = [],  # noqa: B006
    threads: Threads = 1,
    device: OnDevice = "local",
    as_json: Json = False,
) -> None:
    """Say which operators a file's time goes into.

    As its runtime profiles it, in a launch of its own. Of an ONNX file in a run's folder the model's modules are named,
    too.
    """
    from edgeship.toolchain.commands import operators as profiling
    from edgeship.toolchain.commands.subjects import Calls
    from edgeship.toolchain.recipe import arguments
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.operators import operators_view

    found = profiling.operators(files, arguments.device_of(device), Calls(inputs, size, threads), console.print_note)
    if as_json:
        console.print_document(found)
    else:
        console.show(operators_view(found, top))
    if code := profiling.exit_code(found):
        raise typer.Exit(code)
