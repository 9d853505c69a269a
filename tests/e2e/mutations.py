"""Damage to a file as disks, networks and attackers do it: flips, cuts, lengths, swaps, zeros, garbage; from a seed."""

from __future__ import annotations

import io
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

Mutation = Callable[[bytearray, random.Random], bytearray]
LENGTHS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 62, (1 << 64) - 1)


def flip(data: bytearray, draw: random.Random) -> bytearray:
    """Up to 64 bits turned."""
    for _ in range(draw.choice((1, 1, 2, 8, 64))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return data


def cut(data: bytearray, draw: random.Random) -> bytearray:
    """The end is missing."""
    return data[: draw.randrange(len(data))]


def length(data: bytearray, draw: random.Random) -> bytearray:
    """Fields of two, four or eight bytes with a limit in them, as a length, an offset or a type may be."""
    for _ in range(draw.choice((1, 1, 2, 4))):
        width = draw.choice((2, 4, 4, 8))
        at = draw.randrange(max(1, len(data) - width) // width + 1) * width
        value = draw.choice(LENGTHS) % (1 << 8 * width)
        data[at : at + width] = value.to_bytes(width, "little")
    return data


def swap(data: bytearray, draw: random.Random) -> bytearray:
    """Two blocks in each other's place."""
    size = draw.randint(1, max(1, len(data) // 4))
    first, second = (draw.randrange(len(data) - size + 1) for _ in range(2))
    one, other = data[first : first + size], data[second : second + size]
    data[first : first + size], data[second : second + size] = other, one
    return data


def zero(data: bytearray, draw: random.Random) -> bytearray:
    """A block of zeros, as a file has that was not flushed."""
    size = draw.randint(1, max(1, len(data) // 4))
    at = draw.randrange(len(data) - size + 1)
    data[at : at + size] = bytes(size)
    return data


def insert(data: bytearray, draw: random.Random) -> bytearray:
    """Bytes in the middle that do not belong there: all behind them has moved."""
    at = draw.randrange(len(data))
    return data[:at] + draw.randbytes(draw.randint(1, 64)) + data[at:]


def append(data: bytearray, draw: random.Random) -> bytearray:
    """Garbage behind the end."""
    return data + draw.randbytes(draw.randint(1, 4096))


MUTATIONS: tuple[Mutation, ...] = (flip, cut, length, swap, zero, insert, append)


def mutate(source: Path, path: Path, number: int) -> str:
    """Write the damaged copy number so-and-so of `source` to `path`; answers what was done to it.

    Every damage is done in turn. Of a folder, one file is damaged; of a zip, the archive and (its checksums made right
    again) one of its entries, alternately.
    """
    draw = random.Random(f"{source.suffix} {number}")
    mutation = MUTATIONS[number % len(MUTATIONS)]
    if source.is_dir():
        shutil.copytree(source, path)
        part = draw.choice(sorted(file for file in path.rglob("*") if file.is_file() and file.stat().st_size))
        part.write_bytes(mutation(bytearray(part.read_bytes()), draw))
        return f"{mutation.__name__} {part.relative_to(path)}"
    content = source.read_bytes()
    if zipfile.is_zipfile(source) and number // len(MUTATIONS) % 2:
        changed, entry = _in_zip(content, mutation, draw)
        path.write_bytes(changed)
        return f"{mutation.__name__} {entry}"
    path.write_bytes(mutation(bytearray(content), draw))
    return mutation.__name__


def _in_zip(content: bytes, mutation: Mutation, draw: random.Random) -> tuple[bytes, str]:
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as archive, zipfile.ZipFile(written, "w") as changed:
        entries = archive.infolist()
        names = [entry.filename for entry in entries if entry.file_size]
        # what says how to read the rest is damaged as often as all the weights together
        telling = [name for name in names if name.endswith((".json", ".pkl", ".py", "version", "byteorder"))]
        chosen = draw.choice(telling if draw.random() < 0.5 else names)
        for entry in entries:
            data = archive.read(entry)
            data = bytes(mutation(bytearray(data), draw)) if entry.filename == chosen else data
            changed.writestr(zipfile.ZipInfo(entry.filename), data)
    return written.getvalue(), chosen
