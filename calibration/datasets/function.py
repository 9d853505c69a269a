"""Samples from the user's own Python function."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field

from edgeship.calibration.datasets.returned import collect
from edgeship.toolchain.api import DataError, Dataset, EdgeshipError, Samples, Signature, load_callable, source_file


class Python(Dataset):
    """Calls a function that gives samples: arrays, (inputs, labels), a dict, or an iterable or Dataset of them.

    What it may return is said in the README.
    """

    function: str = Field(description="./file.py:function or package.module:function")
    arguments: dict[str, Any] = Field({}, description="keyword arguments of the function")
    reads: tuple[Path, ...] = Field(
        (), description="files and folders the function reads; the samples are read again when one changes"
    )

    def references(self) -> tuple[str, ...]:
        return (self.function,)

    def files(self) -> list[Path]:
        own = source_file(self.function, Path())
        inside = [file for path in self.reads for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
        read = [file for file in inside if file.is_file() and "__pycache__" not in file.parts]  # Python's own notes
        return [*([own] if own else []), *read]

    def read(self, signature: Signature, limit: int | None) -> Samples:
        function = load_callable(self.function, Path())
        try:
            answer = function(**self.arguments)
        except EdgeshipError:
            raise
        except Exception as error:
            raise DataError(
                f"{self.function}: {type(error).__name__}: {error}", "call it by itself and correct it"
            ) from error
        return collect(answer, signature, limit, self.function)
