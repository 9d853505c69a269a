"""Every error a user can cause, with its exit code and its remedy."""

from __future__ import annotations

EXIT_OK = 0
EXIT_LINE_FAILED = 1
EXIT_USAGE = 2
EXIT_INCONCLUSIVE = 3
EXIT_MISSING = 4
EXIT_DEVICE = 5
EXIT_STOPPED = 130  # as shells have it: 128 + SIGINT


class EdgeshipError(Exception):
    """An error with a remedy; `str()` is the message, `hint` says what to do about it."""

    exit_code = EXIT_LINE_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[type[EdgeshipError], tuple[str, str]]:
        # errors cross process borders from workers: keep the hint
        return (type(self), (str(self), self.hint))


class RecipeError(EdgeshipError):
    """The recipe or the command line is wrong; raised before anything runs."""

    exit_code = EXIT_USAGE


class DataError(EdgeshipError):
    """A data set cannot be read or does not fit the model."""

    exit_code = EXIT_USAGE


class SourceError(EdgeshipError):
    """A model or its weights cannot be loaded."""

    exit_code = EXIT_USAGE


class ExportError(EdgeshipError):
    """torch or a converter cannot take the model; names module, source line and remedy."""


class UnsupportedError(EdgeshipError):
    """A target cannot carry this program; known only once the program is at hand, shown as unsupported."""


class LineError(EdgeshipError):
    """A line failed: a converter died, ran out of memory or past its limit."""


class DiedError(LineError):
    """The process that worked for a line died under it: a converter's crash, or the system's hand."""


class MissingError(EdgeshipError):
    """Something is missing on this machine: an extra, a system tool."""

    exit_code = EXIT_MISSING


class DeviceError(EdgeshipError):
    """A device or its agent failed."""

    exit_code = EXIT_DEVICE


class CrashError(DeviceError):
    """An agent crashed (SIGSEGV, SIGABRT, …): the file may have done it, or the machine."""


def missing_extra(extra: str, package: str) -> MissingError:
    """The error for a package that is not installed; prints the exact install command."""
    return MissingError(f"{package} is not installed", install_command(extra, package))


def install_command(extra: str, package: str) -> str:
    """How to install what a plugin needs: an extra of edgeship, or (an outsider's plugin) the package itself."""
    return f"pip install 'edgeship[{extra}]'" if extra else f"pip install {package}"


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type where it has none."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
