"""The zip that torch writes, without the author's machine in it and equal every time."""

from __future__ import annotations

import pickletools
import re
import struct
import zipfile
from pathlib import Path

ALIGNMENT = 64  # torch maps constants into memory at this alignment
_MANGLED = re.compile(rb"\.___torch_mangle_\d+")
_EPOCH = (1980, 1, 1, 0, 0, 0)


def clean(path: Path) -> None:
    """Rewrite a TorchScript file in place: no debug entries, no counter of this process in names, no weight twice.

    torch writes the stack of the traced call, absolute paths included, beside each code file; it loads without them.
    A class that was traced before in the same process gets a number in its name: it is taken out again. A file for
    the lite interpreter holds packed int8 weights twice, for its code and for its bytecode: both read one copy here.
    """
    with zipfile.ZipFile(path) as archive:
        entries = {info.filename: archive.read(info) for info in archive.infolist()}
    root = path.stem
    twins = _twins(entries, f"{root}/constants/")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            key = name.removeprefix(f"{root}/constants/")
            if name.endswith(".debug_pkl") or name == f"{root}/.data/serialization_id" or key in twins:
                continue
            if name in (f"{root}/constants.pkl", f"{root}/bytecode.pkl"):
                content = _pickle(content, twins)
            elif name.endswith(".pkl"):
                content = _pickle(content, {})
            elif name.endswith(".py"):
                content = _MANGLED.sub(b"", content)
            _store(archive, re.sub(r"/___torch_mangle_\d+", "", name), content)


def _twins(entries: dict[str, bytes], folder: str) -> dict[str, str]:
    """Names of constants whose bytes another constant holds already → that one's name."""
    first: dict[bytes, str] = {}
    twins = {}
    for name, content in entries.items():
        if name.startswith(folder):
            kept = first.setdefault(content, name)
            if kept != name:
                twins[name.removeprefix(folder)] = kept.removeprefix(folder)
    return twins


def _store(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    start = archive.fp.tell() + 30 + len(name) + 4  # type: ignore[union-attr]
    padding = -start % ALIGNMENT
    info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    archive.writestr(info, content)


def _pickle(content: bytes, renamed: dict[str, str]) -> bytes:
    """The pickle with names unmangled and storages renamed; strings carry their length, so they are written anew."""
    parts, done = [], 0
    for code, value, position in pickletools.genops(content):
        assert position is not None
        if code.name not in ("BINUNICODE", "GLOBAL") or not isinstance(value, str):
            continue
        before = value.encode()
        after = _MANGLED.sub(b"", renamed.get(value, value).encode())
        if after == before:
            continue
        if code.name == "BINUNICODE":
            old, new = (struct.pack("<I", len(text)) + text for text in (before, after))
        else:
            old, new = (text.replace(b" ", b"\n") + b"\n" for text in (before, after))
        assert content[position + 1 : position + 1 + len(old)] == old
        parts += [content[done : position + 1], new]
        done = position + 1 + len(old)
    return b"".join([*parts, content[done:]])
