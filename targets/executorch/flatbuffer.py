"""Reads flatbuffer tables by field position, with nothing but the standard library."""

from __future__ import annotations

import struct
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """One flatbuffer table; a field that the file leaves out reads as its default."""

    data: bytes
    position: int

    @classmethod
    def root(cls, data: bytes, start: int = 0) -> Table:
        """The root table of the flatbuffer that begins at `start`; its offsets are relative, so no slice is needed."""
        return cls(data, start + _read(data, "I", start))

    def scalar(self, field: int, code: str, default: int = 0) -> int:
        """An integer or bool of struct `code`."""
        at = self._field(field)
        return default if at is None else _read(self.data, code, at)

    def text(self, field: int) -> str:
        """A string."""
        at = self._target(field)
        if at is None:
            return ""
        return self.data[at + 4 : at + 4 + _read(self.data, "I", at)].decode(errors="replace")

    def table(self, field: int) -> Table | None:
        """A sub-table (of a union: the field after its type)."""
        at = self._target(field)
        return None if at is None else Table(self.data, at)

    def tables(self, field: int) -> list[Table]:
        """A vector of tables."""
        at = self._target(field)
        if at is None:
            return []
        slots = range(at + 4, at + 4 + 4 * _read(self.data, "I", at), 4)
        return [Table(self.data, slot + _read(self.data, "I", slot)) for slot in slots]

    def numbers(self, field: int, code: str) -> list[int]:
        """A vector of scalars of struct `code`."""
        at = self._target(field)
        if at is None:
            return []
        count = _read(self.data, "I", at)
        return list(struct.unpack_from(f"<{count}{code}", self.data, at + 4))

    def bytes_at(self, field: int) -> tuple[int, int]:
        """Where a vector of bytes lies: (offset, length)."""
        at = self._target(field)
        return (0, 0) if at is None else (at + 4, _read(self.data, "I", at))

    def _field(self, field: int) -> int | None:
        vtable = self.position - _read(self.data, "i", self.position)
        slot = 4 + 2 * field
        if slot >= _read(self.data, "H", vtable):
            return None
        offset = _read(self.data, "H", vtable + slot)
        return self.position + offset if offset else None

    def _target(self, field: int) -> int | None:
        at = self._field(field)
        return None if at is None else at + _read(self.data, "I", at)


def _read(data: bytes, code: str, at: int) -> int:
    value: int = struct.unpack_from(f"<{code}", data, at)[0]
    return value
