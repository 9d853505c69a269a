"""The `edgeship` command: thin; every command reads its arguments, calls one function and shows the result."""

from __future__ import annotations

from typing import NoReturn

from edgeship.toolchain.cli import build, bundle, codegen, files, measure, ship, show
from edgeship.toolchain.cli.app import app
from edgeship.toolchain.errors import EXIT_MISSING, EXIT_STOPPED, EdgeshipError, RecipeError

__all__ = ["app", "build", "bundle", "codegen", "files", "main", "measure", "ship", "show"]


def main() -> None:
    """Run the command; the one place where errors become messages and exit codes.

    With --json an error is one document on standard output: {"error": {"message", "hint", "exit_code"}}.
    """
    import errno
    import sys

    from typer.exceptions import TyperException

    words = sys.argv[1:]
    as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
    try:
        _check_utf8(words)
        # to a person typer words its own errors, with the command's usage
        code = app(standalone_mode=not as_json) or 0
        if code == EXIT_STOPPED:
            raise KeyboardInterrupt
        sys.exit(code)
    except EdgeshipError as error:
        _end(str(error), error.hint, error.exit_code, as_json)
    except TyperException as error:
        command = getattr(getattr(error, "ctx", None), "command_path", "edgeship")
        _end(error.format_message(), f"see {command} --help", error.exit_code, as_json)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        hint = "what was finished is kept: free room, then run again" if full else "check the path and its permissions"
        _end(f"{place}{error.strerror or error}", hint, EXIT_MISSING, as_json)
    except (KeyboardInterrupt, SystemExit) as end:
        if isinstance(end, SystemExit) and end.code != EXIT_STOPPED:  # what typer makes of Ctrl-C
            raise
        _end("stopped", "what was finished is kept: run again to go on from there", EXIT_STOPPED, as_json)


def _end(message: str, hint: str, exit_code: int, as_json: bool) -> NoReturn:
    """Say what went wrong, and end."""
    import sys

    from edgeship.toolchain.report.terminal import console

    if as_json:
        console.print_json({"error": {"message": message, "hint": hint, "exit_code": exit_code}})
    else:
        console.print_error(message, hint)
    sys.exit(exit_code)


def _check_utf8(arguments: list[str]) -> None:
    """RecipeError for what JSON reports and recipes could not hold."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise RecipeError(f"{argument!r} is not UTF-8", "rename the file or its folders") from error
