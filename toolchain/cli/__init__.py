"""The `edgeship` command: thin; every command reads its arguments, calls one function and shows the result."""

from __future__ import annotations

from edgeship.toolchain.cli import build, files, show
from edgeship.toolchain.cli.app import app
from edgeship.toolchain.errors import EXIT_MISSING, EXIT_STOPPED, EdgeshipError, RecipeError

__all__ = ["app", "build", "files", "main", "show"]


def main() -> None:
    """Run the command; the one place where errors become messages and exit codes."""
    import errno
    import sys

    try:
        _check_utf8(sys.argv[1:])
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


def _check_utf8(arguments: list[str]) -> None:
    """RecipeError for what JSON reports and recipes could not hold."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise RecipeError(f"{argument!r} is not UTF-8", "rename the file or its folders") from error
