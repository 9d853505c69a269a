"""The command that writes code: codegen."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgeship.toolchain.cli.app import WRONG, BundlePath, Command, Json, Root, app, exit_codes
from edgeship.toolchain.errors import EXIT_LINE_FAILED

REFUSED = f"{EXIT_LINE_FAILED} the bundle is refused"


class LanguageName(StrEnum):
    """What the wrapper is written in."""

    python = "python"
    cpp = "cpp"
    kotlin = "kotlin"
    swift = "swift"


@app.command(cls=Command, epilog=exit_codes(REFUSED, WRONG))
def codegen(
    bundle: BundlePath,
    language: Annotated[LanguageName, typer.Argument(metavar="LANGUAGE", help="python, cpp, kotlin or swift.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the files are written.")],
    name: Annotated[str | None, typer.Option(metavar="CLASS", help="Of the class; else the bundle's name.")] = None,
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Write a bundle's typed wrapper in an app's language.

    One class that takes what an app has, pictures, sound or texts, makes the model's inputs of it as in Python, and
    names what comes out; and its golden test.
    """
    from edgeship.toolchain.commands import codegen as generating
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.bundle import codegen_view

    generated = generating.codegen(bundle, language.value, out, root, name)
    if as_json:
        console.print_json({"class": generated.wrapper.name, "files": [str(file) for file in generated.files]})
    else:
        console.show(codegen_view(generated.wrapper.name, generated.files))
