"""The `edgeship` command: thin; every command reads its arguments, calls one function and shows the result."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from edgeship.toolchain import __version__
from edgeship.toolchain.errors import (
    EXIT_DEVICE,
    EXIT_LINE_FAILED,
    EXIT_MISSING,
    EXIT_OK,
    EXIT_STOPPED,
    EXIT_USAGE,
    EdgeshipError,
)

EXIT_CODES = (
    f"Exit codes: {EXIT_OK} fine, {EXIT_LINE_FAILED} a line failed or a verdict is bad, {EXIT_USAGE} the recipe or the "
    f"command line is wrong, 3 inconclusive, {EXIT_MISSING} something is missing on this machine, {EXIT_DEVICE} a "
    f"device failed, {EXIT_STOPPED} stopped by Ctrl-C."
)


class Command(TyperCommand):
    """Writes what must be given as everybody does: `edgeship run [OPTIONS] RECIPE`, no braces."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]


app = typer.Typer(
    name="edgeship",
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
    help="Quantize a PyTorch model once, ship it to every edge runtime, and prove that every file computes the same.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
RecipePath = Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe's .toml file.")]
Inputs = Annotated[
    list[str],
    typer.Option("--input", "-i", metavar="NAME:SHAPE[:DTYPE]", help="One of the model's inputs, e.g. x:1x3x224x224."),
]
OnDevice = Annotated[str, typer.Option("--device", help="Where: a device's name, or { device = 'NAME', OPTION = … }.")]
Quick = Annotated[bool, typer.Option("--quick", help="Measure briefly: figures compare within this run only.")]
Runs = Annotated[Path, typer.Option("--runs", help="Where run directories are made.")]


@app.callback(invoke_without_command=True)
def options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Options of the command itself."""
    if version:
        typer.echo(f"edgeship {__version__}")
        raise typer.Exit


@app.command(cls=Command)
def init(
    path: Annotated[Path, typer.Argument(help="The recipe to write.")] = Path("recipe.toml"),
    factory: Annotated[str, typer.Option(help="The model: package.module:function.")] = (
        "torchvision.models:mobilenet_v3_small"
    ),
    weights: Annotated[str, typer.Option(help="Its weights file.")] = "",
) -> None:
    """Write a recipe to start from, and its JSON Schema for editors."""
    import json

    from edgeship.toolchain.errors import RecipeError
    from edgeship.toolchain.recipe import arguments as tables
    from edgeship.toolchain.recipe import schema as recipe_schema

    if path.exists():
        raise RecipeError(f"{path} is there already", "name another file")
    path.write_text(tables.init_text(path.resolve().parent.name, factory, weights))
    schema = path.parent / "edgeship-recipe.schema.json"
    schema.write_text(json.dumps(recipe_schema.schema(), indent=1) + "\n")
    typer.echo(f"wrote {path} and {schema}; next: edgeship check {path}")


@app.command(cls=Command)
def check(recipe: RecipePath, as_json: Json = False) -> None:
    """Check a recipe: all its errors at once, or its lines."""
    from edgeship.toolchain.recipe import preflight
    from edgeship.toolchain.recipe import read as recipes
    from edgeship.toolchain.report import terminal as console

    plan = recipes.read(recipe)
    preflight.check(plan)
    if as_json:
        console.print_json([{"line": p.name, "spec": str(p.spec), "unsupported": p.unsupported} for p in plan.plans])
        return
    rows = [[p.model.name, p.variant, p.target_name, str(p.spec), p.unsupported or ""] for p in plan.plans]
    console.print_table(["model", "variant", "target", "spec", "unsupported"], rows)
    console.say(f"\n{recipe}: {console.count(len(plan.plans), 'line')}, no problems", "green")


@app.command(cls=Command)
def run(
    recipe: RecipePath,
    quick: Quick = False,
    measure: Annotated[bool, typer.Option(help="Measure latency and memory on this host.")] = True,
    remeasure: Annotated[bool, typer.Option("--remeasure", help="Measure again what has a measurement.")] = False,
    runs_folder: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Build, verify and measure a recipe's lines; report.

    Ends in a table and the path of an HTML report. A line that fails is recorded and the others go on; a run that was
    stopped is taken up where it was.
    """
    from edgeship.toolchain.commands.run import Options
    from edgeship.toolchain.recipe import read as recipes

    _run(recipes.read(recipe), Options(quick, measure, remeasure), runs_folder, as_json)


@app.command(cls=Command)
def convert(
    model: Annotated[str, typer.Argument(help="package.module:function, ./file.py:function, a .pt2 or a .pt")],
    target: Annotated[list[str], typer.Option("--target", "-t", help="A runtime; see `edgeship targets`.")],
    inputs: Inputs = [],  # noqa: B006
    variant: Annotated[
        list[str], typer.Option("--variant", "-v", help="float, fp16, int8, int8-dynamic …, or NAME=PASS,PASS.")
    ] = ["float"],  # noqa: B006
    weights: Annotated[Path | None, typer.Option(help="Weights: .safetensors or a checkpoint.")] = None,
    calibration: Annotated[str | None, typer.Option(help="Data for ranges: a path or ./file.py:function.")] = None,
    evaluation: Annotated[str | None, typer.Option(help="Data to judge on: a path or ./file.py:function.")] = None,
    metric: Annotated[str | None, typer.Option(help="Task metric on the evaluation data.")] = None,
    quick: Quick = False,
    measure: Annotated[bool, typer.Option(help="Measure latency and memory on this host.")] = True,
    runs_folder: Runs = Path("runs"),
    as_json: Json = False,
) -> None:
    """Convert a model without a recipe: the same job as `run`.

    e.g. edgeship convert ./model.py:build -i image:1x3x224x224 -t onnx -t litert -v int8 --calibration images.npz
    """
    import json

    from edgeship.toolchain.commands.run import Options
    from edgeship.toolchain.recipe import arguments as tables
    from edgeship.toolchain.recipe import read as recipes

    raw: dict[str, Any] = {
        "name": Path(model.partition(":")[0]).stem.rpartition(".")[2] or "model",
        "model": tables.model_table(model, inputs, weights),
        "variants": tables.variant_tables(variant),
        "targets": {name: {} for name in target},
    }
    if calibration:
        raw["calibration"] = tables.data_table(calibration)
    if evaluation:
        raw["evaluation"] = {**tables.data_table(evaluation), **({"metric": metric} if metric else {})}
    base = Path.cwd()
    recipe = recipes.from_tables(raw, base, "command line", raw["name"], json.dumps(raw))
    _run(recipe, Options(quick, measure), runs_folder, as_json)


@app.command(cls=Command)
def verify(
    file: Annotated[Path, typer.Argument(help="An artifact made anywhere.")],
    against: Annotated[str, typer.Option(help="The model: a factory, a .pt2, or a recipe's .toml.")],
    data: Annotated[str, typer.Option(help="Inputs to compare on: a path or ./file.py:function.")] = "",
    inputs: Inputs = [],  # noqa: B006
    weights: Annotated[Path | None, typer.Option(help="Weights: .safetensors or a checkpoint.")] = None,
    spec: Annotated[str | None, typer.Option(help="What the file should be, e.g. w8a8-static; else guessed.")] = None,
    metric: Annotated[str | None, typer.Option(help="Task metric on the data.")] = None,
    device: OnDevice = "local",
    as_json: Json = False,
) -> None:
    """Prove that a file computes what a model computes.

    On data, through the file's real runtime, by the limits of `run`. Exit code 1 when it does not.
    """
    from edgeship.toolchain.commands import files as elsewhere
    from edgeship.toolchain.recipe import arguments as tables
    from edgeship.toolchain.report import terminal as console

    verdict = elsewhere.verify(file, against, data, inputs, weights, spec, metric, tables.device_of(device))
    if as_json:
        console.print_json(verdict.model_dump_json(by_alias=True, exclude_none=True, indent=1))
    else:
        console.print_verdict(file, verdict)
    if verdict.verdict == "fail":
        raise typer.Exit(EXIT_LINE_FAILED)


@app.command(cls=Command)
def bench(
    files: Annotated[list[Path], typer.Argument(metavar="FILE", help="Artifacts to measure beside each other.")],
    inputs: Inputs = [],  # noqa: B006
    threads: Annotated[int, typer.Option(help="Threads of the runtime.")] = 1,
    launches: Annotated[int, typer.Option(help="Process launches per file.")] = 5,
    seconds: Annotated[float, typer.Option(help="Measuring time per launch.")] = 10.0,
    device: OnDevice = "local",
    quick: Quick = False,
    as_json: Json = False,
) -> None:
    """Measure files beside each other, no recipe needed."""
    from edgeship.toolchain.commands import files as elsewhere
    from edgeship.toolchain.recipe import arguments as tables
    from edgeship.toolchain.report import terminal as console

    results = elsewhere.bench(files, inputs, threads, launches, seconds, quick, tables.device_of(device))
    if as_json:
        console.print_json([result if isinstance(result, str) else elsewhere.as_dict(result) for result in results])
    else:
        console.print_bench(files, results)
    if any(isinstance(result, str) for result in results):
        raise typer.Exit(EXIT_DEVICE)


@app.command(cls=Command)
def inspect(
    file: Annotated[Path, typer.Argument(help="A .pte, .onnx, .tflite, .mlpackage, .aimodel, .pt, .ptl or .pt2.")],
    as_json: Json = False,
) -> None:
    """Look into a file: inputs, operators, dtypes, size by layer."""
    from edgeship.toolchain.commands import inspect as foreign
    from edgeship.toolchain.report import terminal as console

    about = foreign.inspect(file)
    if as_json:
        console.print_json(about)
    else:
        console.print_inspection(about)


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
    rows = [[kind, str(len(sizes)), console.size(sum(sizes))] for kind, sizes in sorted(kinds.items())]
    console.print_table(["kind", "entries", "size"], rows, ("entries", "size"))
    console.say(f"\n{store.root}" + (": cleared" if clear else f" (limit {store.limit_bytes / 1e9:g} GB)"))


def _run(recipe: Any, options: Any, runs_folder: Path, as_json: bool) -> None:
    """Run a checked recipe and show what came of it."""
    from edgeship.toolchain.commands import run as runs
    from edgeship.toolchain.report import html as reports
    from edgeship.toolchain.report import terminal as console

    started = time.monotonic()
    with console.tracking() as tracker:
        outcome = runs.run_into(runs_folder, recipe, options, tracker)
    path = reports.write_html(outcome.report, outcome.folder.page)
    if as_json:
        console.print_json(outcome.report.model_dump_json(by_alias=True, exclude_none=True, indent=1))
    else:
        console.print_report(outcome.report)
        console.say(f"\n{time.monotonic() - started:.1f} s; artifacts: {outcome.folder.artifacts}")
        console.say(f"report: {path}")
    raise typer.Exit(runs.exit_code(outcome.report))


def main() -> None:
    """Run the command; the one place where errors become messages and exit codes."""
    import errno
    import sys

    try:
        app(standalone_mode=True)
    except EdgeshipError as error:
        from edgeship.toolchain.report import terminal as console

        console.print_error(str(error), error.hint)
        sys.exit(error.exit_code)
    except OSError as error:
        from edgeship.toolchain.report import terminal as console

        place = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "what was finished is kept: free room, then run again" if full else "check the path and its permissions"
        console.print_error(f"{place}{error.strerror or error}", hint)
        sys.exit(EXIT_MISSING)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != EXIT_STOPPED:  # what typer makes of Ctrl-C
            raise
        from edgeship.toolchain.report import terminal as console

        console.print_error("stopped", "what was finished is kept: run again to go on from there")
        sys.exit(EXIT_STOPPED)
