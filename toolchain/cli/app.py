"""The `edgeship` command itself, and the options that several of its commands take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from edgeship.toolchain import __version__
from edgeship.toolchain.errors import (
    EXIT_DEVICE,
    EXIT_INCONCLUSIVE,
    EXIT_LINE_FAILED,
    EXIT_MISSING,
    EXIT_OK,
    EXIT_STOPPED,
    EXIT_USAGE,
)

FAILED = f"{EXIT_LINE_FAILED} a line failed or a verdict is bad"
DAMAGED = f"{EXIT_LINE_FAILED} a file is damaged"
WRONG = f"{EXIT_USAGE} the recipe or the command line is wrong"
INCONCLUSIVE = f"{EXIT_INCONCLUSIVE} inconclusive (--strict)"
MISSING = f"{EXIT_MISSING} something is missing on this machine"
DEVICE = f"{EXIT_DEVICE} a device failed"
STOPPED = f"{EXIT_STOPPED} stopped by Ctrl-C"


def exit_codes(*codes: str) -> str:
    """The sentence at the end of a command's help."""
    return f"Exit codes: {', '.join((f'{EXIT_OK} fine', *codes))}."


class Command(TyperCommand):
    """Writes what must be given as everybody does: `edgeship run [OPTIONS] RECIPE`, no braces."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name."""
        return [piece.replace("{", "").replace("}", "") for piece in super().collect_usage_pieces(ctx)]


app = typer.Typer(
    name="edgeship",
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
    help="Quantize a PyTorch model once, ship it to every edge runtime, and prove that every file computes the same.",
    epilog=exit_codes(FAILED, WRONG, INCONCLUSIVE, MISSING, DEVICE, STOPPED),
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
Sizes = Annotated[list[str], typer.Option("--size", metavar="NAME=SIZE", help="Size of a dynamic dimension; else 1.")]
Threads = Annotated[int, typer.Option(metavar="COUNT", min=1, help="Threads of the runtime.")]
BundlePath = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A bundle's folder or .zip file.")]
Root = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The root that a device trusts; else the first of your keys.")
]
Weights = Annotated[Path | None, typer.Option(metavar="FILE", help="Weights: .safetensors or a checkpoint.")]
Arguments = Annotated[
    list[str],
    typer.Option("--argument", "-a", metavar="NAME=VALUE", help="An argument of the factory, e.g. num_classes=10."),
]
PreprocessOption = Annotated[
    str | None,
    typer.Option(
        "--preprocess",
        metavar="TEXT",
        help="Of pictures: 'mean=[…], std=[…]', timm:NAME, torchvision:WEIGHTS; else the model's own.",
    ),
]
Measure = Annotated[bool, typer.Option(help="Measure latency and memory on this host.")]
OnDevice = Annotated[
    str, typer.Option("--device", metavar="DEVICE", help="Where: a device's name, or { device = 'NAME', OPTION = … }.")
]
Quick = Annotated[bool, typer.Option("--quick", help="Measure briefly: figures compare within this run only.")]
Strict = Annotated[
    bool,
    typer.Option("--strict", help="Exit 3 where a verdict is `unverifiable`: the outputs hardly depend on the inputs."),
]
Timings = Annotated[bool, typer.Option("--timings", help="End with a table of where the seconds went.")]
Runs = Annotated[Path, typer.Option("--runs", metavar="FOLDER", help="Where run directories are made.")]


@app.callback(invoke_without_command=True)
def options(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Options of the command itself."""
    if version:
        typer.echo(f"edgeship {__version__}")
        raise typer.Exit
