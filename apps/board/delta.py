"""Deltas: zstd frames one after another, each made with the whole old file as its prefix (zstd's --patch-from).

A frame holds FRAME_BYTES of the new file, so that a board needs this much memory, and can go on at a frame after a
power cut. Python 3.14 decodes them (`compression.zstd`), else the system's libzstd; where there is neither, files are
fetched whole.
"""

from __future__ import annotations

import ctypes
import importlib
import mmap
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

FRAME_BYTES = 8 << 20
LEAST_BYTES = 4096
"""Of smaller files there are no deltas: asking for one takes as much."""
_PIECE = 1 << 20


class DeltaError(ValueError):
    """These bytes are no delta of this file."""


class Piece(NamedTuple):
    """Bytes of the new file, how many of the delta's were taken for them, and whether a frame ends here."""

    data: bytes
    taken: int
    ends: bool


class Decoder(Protocol):
    """Takes a delta's bytes as they come."""

    def pieces(self, data: bytes) -> Iterator[Piece]:
        """What follows from these bytes, all of which are taken; DeltaError."""

    def restart(self) -> None:
        """From the start of a frame."""


def name(old: str, new: str) -> str:
    """Where a site has the delta between two files."""
    return f"deltas/{old}-{new}.zst"


def bases(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, str]:
    """For files of one manifest, by digest, the file that had this name in another one."""
    before, sizes = _named(old), {file["sha256"]: file["size_bytes"] for file in (*old["files"], *new["files"])}
    pairs = {digest: before[name] for name, digest in _named(new).items() if name in before}
    return {
        digest: base
        for digest, base in pairs.items()
        if digest not in before.values() and min(sizes[digest], sizes[base]) >= LEAST_BYTES
    }


Library = Callable[[Path], Decoder]
"""Makes what decodes deltas against a file."""


def library() -> Library | None:
    """This system's; None where it has no zstd."""
    for module in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return partial(Python, importlib.import_module(module))
    with suppress(OSError):
        return partial(System, ctypes.CDLL("libzstd.so.1"))
    return None


def _named(manifest: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    """Digests by the names that files have: an artifact's by the artifact and their path."""
    groups = {artifact["name"]: artifact["files"] for artifact in manifest["artifacts"]}
    groups |= {"": [*manifest["golden"]["files"], *manifest["licences"]]}
    return {(group, file["path"]): file["sha256"] for group, files in groups.items() for file in files}


class Python:
    """By the API of Python 3.14's compression.zstd."""

    def __init__(self, zstd: Any, base: Path) -> None:
        self._zstd = zstd
        try:
            self._base = zstd.ZstdDict(base.read_bytes(), is_raw=True)
        except (ValueError, zstd.ZstdError, OSError) as error:  # it has rotted
            raise DeltaError(str(error)) from error
        self.restart()

    def restart(self) -> None:
        # a prefix is for one frame
        self._frame = self._zstd.ZstdDecompressor(zstd_dict=self._base.as_prefix)

    def pieces(self, data: bytes) -> Iterator[Piece]:
        while data or not self._frame.needs_input:
            try:
                out = self._frame.decompress(data, _PIECE)
            except self._zstd.ZstdError as error:
                raise DeltaError(str(error)) from error
            ends = self._frame.eof
            rest = self._frame.unused_data if ends else b""
            if ends:
                self.restart()
            yield Piece(out, len(data) - len(rest), ends)
            data = rest


class _Buffer(ctypes.Structure):
    """ZSTD_inBuffer and ZSTD_outBuffer."""

    _fields_ = (("place", ctypes.c_void_p), ("size", ctypes.c_size_t), ("pos", ctypes.c_size_t))


class System:
    """By libzstd, which maps the old file where Python copies it."""

    def __init__(self, library: ctypes.CDLL, base: Path) -> None:
        self._context = None
        self._create = _function(library, "ZSTD_createDCtx", ctypes.c_void_p)
        self._free = _function(library, "ZSTD_freeDCtx", ctypes.c_size_t, ctypes.c_void_p)
        self._reset = _function(library, "ZSTD_DCtx_reset", ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int)
        self._prefix = _function(
            library, "ZSTD_DCtx_refPrefix", ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t
        )
        buffer = ctypes.POINTER(_Buffer)
        self._step = _function(library, "ZSTD_decompressStream", ctypes.c_size_t, ctypes.c_void_p, buffer, buffer)
        self._is_error = _function(library, "ZSTD_isError", ctypes.c_uint, ctypes.c_size_t)
        try:
            with base.open("rb") as stream:  # a private mapping, which ctypes takes; nothing is written to it
                self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_COPY)
        except (ValueError, OSError) as error:  # it has rotted
            raise DeltaError(str(error)) from error
        self._base = (ctypes.c_char * len(self._map)).from_buffer(self._map)
        self._target = ctypes.create_string_buffer(_PIECE)
        self._context = self._create()
        self.restart()

    def __del__(self) -> None:
        if self._context:
            self._free(self._context)

    def restart(self) -> None:
        session_only = 1
        self._reset(self._context, session_only)
        self._prefix(self._context, ctypes.addressof(self._base), len(self._map))

    def pieces(self, data: bytes) -> Iterator[Piece]:
        source = _Buffer(ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p), len(data), 0)
        full = False
        while source.pos < len(data) or full:
            target = _Buffer(ctypes.addressof(self._target), _PIECE, 0)
            before = source.pos
            left = self._step(self._context, target, source)
            if self._is_error(left):
                raise DeltaError("not a zstd frame with this prefix")
            full = left > 0 and target.pos == _PIECE
            if not left:
                self.restart()
            yield Piece(self._target.raw[: target.pos], source.pos - before, not left)


def _function(library: ctypes.CDLL, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    found = getattr(library, name)
    found.restype, found.argtypes = result, arguments
    return found  # type: ignore[no-any-return]
