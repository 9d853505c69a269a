"""Lines of text through the model's own tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from edgeship.calibration.datasets.conform import conform
from edgeship.calibration.datasets.indexed import IndexedDataset
from edgeship.calibration.wordpiece import wordpiece
from edgeship.toolchain.api import (
    Array,
    Contract,
    DataError,
    Samples,
    Signature,
    TextInput,
    WordPiece,
    load_callable,
    missing_extra,
)


class Text(IndexedDataset):
    """One text per line of a .txt file, or one object per line of a .jsonl file, padded to one length.

    The tokenizer's outputs (`input_ids`, `attention_mask`, `token_type_ids`) go to the model's inputs of these names.
    """

    packages: ClassVar[tuple[str, ...]] = ("transformers",)
    extra: ClassVar[str] = "text"
    version: ClassVar[int] = 3

    path: Path = Field(description="a .txt or .jsonl file")
    tokenizer: str = Field(
        description="a local folder as written by save_pretrained, or package.module:function that answers a tokenizer"
    )
    max_length: int | None = Field(
        None, gt=0, description="tokens per text, cut or padded to; default: the model's own fixed length"
    )
    text: str = Field("text", description="jsonl: key of the text")
    pair: str | None = Field(None, description="jsonl: key of a second text")
    label: str | None = Field(None, description="jsonl: key of the label, a number")

    def check(self, signature: Signature) -> None:
        length = _length(signature)
        if length is None and self.max_length is None:
            raise DataError("the model takes texts of any length", "say how long: max_length = 64")
        if length is not None and self.max_length not in (None, length):
            raise DataError(f"max_length = {self.max_length}, the model takes {length} tokens", "leave it out")

    def contract(self, signature: Signature) -> Contract:
        length = _length(signature) or self.max_length
        name = self.tokenizer if ":" in self.tokenizer else Path(self.tokenizer).name
        if length is None:
            return Contract()
        settings, files = self._wordpiece
        inputs = {
            tensor.name: TextInput(tokenizer=name, max_length=length, output=tensor.name, wordpiece=settings)
            for tensor in signature.inputs
        }
        return Contract(
            inputs=inputs, files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        )

    def contract_files(self) -> dict[str, bytes]:
        return self._wordpiece[1]

    @cached_property
    def _wordpiece(self) -> tuple[WordPiece | None, dict[str, bytes]]:
        """The tokenizer as an app can have it, and its files, which take ten seconds."""
        return wordpiece(self._load_tokenizer()) or (None, {})

    def references(self) -> tuple[str, ...]:
        return (self.tokenizer,) if ":" in self.tokenizer else ()

    def files(self) -> list[Path]:
        folder = Path(self.tokenizer)
        return [self.path, *(sorted(file for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else [])]

    def index(self) -> tuple[int, Array | None]:
        rows = self._rows()
        return len(rows), self._labels(rows)

    def read_rows(self, signature: Signature, rows: Sequence[int]) -> Samples:
        self.check(signature)
        everything = self._rows()
        chosen = [everything[row] for row in rows]
        pairs = [row[self.pair] for row in chosen] if self.pair else None
        try:
            tokens = self._load_tokenizer()(
                [row[self.text] for row in chosen],
                pairs,
                padding="max_length",
                truncation=True,
                max_length=self.max_length or _length(signature),
                return_tensors="np",
            )
        except (TypeError, ValueError) as error:
            raise DataError(f"{self.tokenizer}: cannot tokenize {self.path} ({error})", "try it by itself") from error
        return conform(dict(tokens), self._labels(chosen), signature, str(self.path))

    def _rows(self) -> list[dict[str, Any]]:
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(
                f"{self.path}: cannot be read ({error})",
                "check the path (in a recipe ./NAME starts from its folder); texts are UTF-8",
            ) from error
        numbered = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
        if not numbered:
            raise DataError(f"{self.path}: no text", "write one text per line")
        if self.path.suffix != ".jsonl":
            return [{self.text: line} for _, line in numbered]
        return [self._parsed(line, number) for number, line in numbered]

    def _parsed(self, line: str, number: int) -> dict[str, Any]:
        try:
            row = json.loads(line)
        except ValueError as error:
            raise DataError(f"{self.path}:{number}: not JSON ({error})", "write one object per line") from error
        keys = [key for key in (self.text, self.pair, self.label) if key]
        if not isinstance(row, dict) or (missing := [key for key in keys if key not in row]):
            wrong = f"no key {', '.join(missing)}" if isinstance(row, dict) else "not an object"
            raise DataError(f"{self.path}:{number}: {wrong}", "name the keys: text, pair, label")
        return row

    def _labels(self, rows: Sequence[dict[str, Any]]) -> Array | None:
        if self.label is None:
            return None
        labels = np.asarray([row[self.label] for row in rows])
        if labels.dtype.kind not in "iuf":
            raise DataError(f"{self.path}: label {self.label!r} is not a number everywhere", "number the classes")
        return labels

    def _load_tokenizer(self) -> Any:
        if ":" in self.tokenizer:
            return load_callable(self.tokenizer, Path())()
        if not Path(self.tokenizer).is_dir():
            raise DataError(f"{self.tokenizer}: there is no such folder", "write it with tokenizer.save_pretrained")
        try:
            from transformers import AutoTokenizer
        except ImportError as error:
            raise missing_extra("text", "transformers") from error
        try:
            return AutoTokenizer.from_pretrained(self.tokenizer, local_files_only=True)
        except Exception as error:  # each tokenizer class has its own
            raise DataError(
                f"{self.tokenizer}: not a readable tokenizer ({error})", "write it with tokenizer.save_pretrained"
            ) from error


def _length(signature: Signature) -> int | None:
    """How many tokens the model takes, where that is fixed."""
    length = signature.inputs[0].shape[-1] if signature.inputs[0].shape else None
    return length if isinstance(length, int) else None
