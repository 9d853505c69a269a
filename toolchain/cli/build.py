"""Commands that make files from a model: init, check, tune, run, convert."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeship.toolchain.cli.app import (
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
    Measure,
    PreprocessOption,
    Quick,
    RecipePath,
    Runs,
    Strict,
    Timings,
    Weights,
    app,
    exit_codes,
)


@app.command(cls=Command, epilog=exit_codes(WRONG, MISSING))
def init(
    model: Annotated[
        str | None,
        typer.Argument(metavar="MODEL", help="Your model, as for `convert`; without: a working sample."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The recipe to write.")] = Path(
        "recipe.toml"
    ),
    inputs: Inputs = [],  # noqa: B006
    weights: Weights = None,
    argument: Arguments = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Write a recipe to start from, and its JSON Schema.

    Without MODEL: a small trained model with its data, which `check` and `run` take as they are.
    """
    from edgeship.toolchain.commands import init as starter
    from edgeship.toolchain.errors import RecipeError
    from edgeship.toolchain.recipe.arguments import ModelArguments
    from edgeship.toolchain.report.terminal import console

    if model is None:
        if inputs or weights or argument:
            raise RecipeError("--input, --weights and --argument belong to a model", "name it: edgeship init MODEL …")
        written = starter.write_sample(output)
    elif model.endswith(".toml"):
        raise RecipeError(f"{model} is not a model", f"to write it say: edgeship init --output {model}")
    else:
        written = starter.write_for(output, ModelArguments(model, inputs, argument, weights))
    following = f"edgeship check {output}"
    if as_json:
        console.print_json({"written": [str(path) for path in written], "next": following})
    else:
        console.say(f"wrote {', '.join(map(str, written))}\nnext: {following}")


@app.command(cls=Command, epilog=exit_codes(WRONG, MISSING))
def check(
    recipe: Annotated[
        Path, typer.Argument(metavar="RECIPE", help="The recipe's .toml file; with --profile a model file, too.")
    ],
    profile: Annotated[
        list[str],
        typer.Option(
            metavar="NAME", help="Say whether it suits a device that is not at hand; see `edgeship profiles`."
        ),
    ] = [],  # noqa: B006
    as_json: Json = False,
) -> None:
    """Check a recipe: all its errors at once, or its lines.

    With --profile: what the public facts of a phone or board say against them. Advice, never a gate.
    """
    from edgeship.toolchain.commands import fitting
    from edgeship.toolchain.recipe import preflight
    from edgeship.toolchain.recipe import read as recipes
    from edgeship.toolchain.report.terminal import console, lists

    if profile:
        is_file = recipe.suffix != ".toml"
        fits = fitting.of_file(recipe, profile) if is_file else fitting.of_recipe(recipes.read(recipe), profile)
        if as_json:
            console.print_json(fitting.as_json(fits))
        else:
            console.show(lists.fits_view(fits))
        return
    plan = recipes.read(recipe)
    preflight.check(plan)
    if as_json:
        console.print_json([{"line": p.name, "spec": str(p.spec), "unsupported": p.unsupported} for p in plan.plans])
    else:
        console.show(lists.plans_view(recipe, plan.plans))


@app.command(cls=Command, epilog=exit_codes(FAILED, WRONG, MISSING, STOPPED))
def tune(recipe: RecipePath, as_json: Json = False) -> None:
    """Decide options of passes by measuring; write the lock.

    `run` reads the lock; delete it to build what the recipe alone says.
    """
    from edgeship.toolchain.commands.tune import tune as decide
    from edgeship.toolchain.recipe.lock import file_of
    from edgeship.toolchain.report.terminal import console, progress

    with progress.tracking({}) as tracker:
        lock = decide(recipe, tracker)
    if as_json:
        console.print_json(lock.text)
        return
    for place, decision in lock.decisions.items():
        console.say(f"{place} ({decision.pass_}), decided by {decision.analysis}: {decision.options}", "bold")
        for reason in decision.reasons:
            console.say(f"  {reason}")
    if not lock.decisions:
        console.say("nothing to decide: the recipe stays as it is")
    console.say(f"wrote {file_of(recipe)}; next: edgeship run {recipe}", "green")


@app.command(cls=Command, epilog=exit_codes(FAILED, WRONG, INCONCLUSIVE, MISSING, DEVICE, STOPPED))
def run(
    recipe: RecipePath,
    target: Annotated[
        list[str], typer.Option("--target", "-t", metavar="TARGET", help="Only the lines of this target.")
    ] = [],  # noqa: B006
    variant: Annotated[
        list[str], typer.Option("--variant", "-v", metavar="VARIANT", help="Only the lines of this variant.")
    ] = [],  # noqa: B006
    quick: Quick = False,
    measure: Measure = True,
    remeasure: Annotated[bool, typer.Option("--remeasure", help="Measure again what has a measurement.")] = False,
    strict: Strict = False,
    timings: Timings = False,
    runs_folder: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Build, verify and measure a recipe's lines; report.

    Ends in a table and the path of an HTML report. A line that fails is recorded and the others go on; a run that was
    stopped is taken up where it was.
    """
    from edgeship.toolchain.commands.run import Options
    from edgeship.toolchain.recipe import read as recipes

    chosen = recipes.read(recipe).only(target, variant)
    run_and_show(chosen, Options(quick, measure, remeasure), runs_folder, as_json, strict, timings)


@app.command(cls=Command, epilog=exit_codes(FAILED, WRONG, INCONCLUSIVE, MISSING, DEVICE, STOPPED))
def convert(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="package.module:function, ./file.py:function, a .pt2 or a .pt")
    ],
    target: Annotated[
        list[str], typer.Option("--target", "-t", metavar="TARGET", help="A runtime; see `edgeship targets`.")
    ],
    inputs: Inputs = [],  # noqa: B006
    variant: Annotated[
        list[str],
        typer.Option(
            "--variant", "-v", metavar="VARIANT", help="float, fp16, int8, int8-dynamic …, or NAME=PASS,PASS."
        ),
    ] = ["float"],  # noqa: B006
    weights: Weights = None,
    argument: Arguments = [],  # noqa: B006
    calibration: Annotated[
        str | None, typer.Option(metavar="DATA", help="Data for ranges: a path or ./file.py:function.")
    ] = None,
    evaluation: Annotated[
        str | None, typer.Option(metavar="DATA", help="Data to judge on: a path or ./file.py:function.")
    ] = None,
    preprocess: PreprocessOption = None,
    metric: Annotated[
        str | None, typer.Option(metavar="METRIC", help="Task metric on the evaluation data; see `edgeship targets`.")
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What the run is called.")] = None,
    save_recipe: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the recipe that does the same, too.")
    ] = None,
    quick: Quick = False,
    measure: Measure = True,
    strict: Strict = False,
    timings: Timings = False,
    runs_folder: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Convert a model without a recipe: the same job as `run`.

    e.g. edgeship convert ./model.py:build -i image:1x3x224x224 -t onnx -t litert -v int8 --calibration images.npz
    """
    from edgeship.toolchain.commands import convert as converting
    from edgeship.toolchain.commands.run import Options
    from edgeship.toolchain.recipe.arguments import ModelArguments
    from edgeship.toolchain.report.terminal import console

    given = ModelArguments(model, inputs, argument, weights)
    data = {"calibration": calibration, "evaluation": evaluation}
    recipe, notes = converting.recipe_of(given, target, variant, data, preprocess, metric, name)
    for note in notes:
        console.print_note(note)
    if save_recipe is not None:
        converting.save_recipe(recipe, save_recipe)
        console.print_note(f"recipe: {save_recipe}")
    run_and_show(recipe, Options(quick, measure), runs_folder, as_json, strict, timings)


def run_and_show(
    recipe: Any, options: Any, runs_folder: Path, as_json: bool, strict: bool, timings: bool = False
) -> None:
    """Run a checked recipe and show what came of it."""
    from edgeship.toolchain.commands import run as runs
    from edgeship.toolchain.report import html as reports
    from edgeship.toolchain.report.terminal import console, progress
    from edgeship.toolchain.report.terminal.run import report_view
    from edgeship.toolchain.report.terminal.timings import timings_view

    lines = {plan.name: f"{plan.model.name} {plan.variant} → {plan.target_name}" for plan in recipe.plans}
    started = time.monotonic()
    with progress.tracking(lines) as tracker:
        outcome = runs.run_into(runs_folder, recipe, options, tracker)
    path = reports.write_html(outcome.report, outcome.folder.page)
    if as_json:
        console.print_document(outcome.report)
    else:
        console.show(report_view(outcome.report))
        if timings:
            console.show(timings_view(outcome.report))
        console.say(f"\n{time.monotonic() - started:.1f} s; artifacts: {outcome.folder.artifacts}")
        console.say(f"report: {path}")
    raise typer.Exit(runs.exit_code(outcome.report, strict))
