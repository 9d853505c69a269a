"""Deltas: what the toolchain makes, decoded as boards decode it."""

from __future__ import annotations

import ctypes
import random
from functools import partial
from pathlib import Path

import pytest

from edgeship.apps.board.delta import Decoder, DeltaError, Library, Python, System, bases
from edgeship.toolchain.bundle.publish import make_delta

OLD = random.Random(0).randbytes(200_000)
NEW = OLD[100_000:] + random.Random(1).randbytes(3_000) + OLD[:90_000] + bytes(50_000)


def _python() -> Library:
    from backports import zstd  # the API of Python 3.14's compression.zstd

    return partial(Python, zstd)


def _system() -> Library:
    try:
        return partial(System, ctypes.CDLL("libzstd.so.1"))
    except OSError:
        pytest.skip("this system has no libzstd")


@pytest.fixture(params=[_python, _system], ids=["python", "system"])
def decoder(request: pytest.FixtureRequest, tmp_path: Path) -> Decoder:
    base = tmp_path / "old"
    base.write_bytes(OLD)
    library: Library = request.param()
    return library(base)


def _decoded(decoder: Decoder, data: bytes, size: int) -> bytes:
    """Given in pieces of this size."""
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(piece.data for part in parts for piece in decoder.pieces(part))


@pytest.mark.parametrize("frame_bytes", [10_000, 8 << 20])
@pytest.mark.parametrize("size", [1, 777, 1 << 20])
def test_a_delta_makes_the_new_file_however_it_comes(decoder: Decoder, frame_bytes: int, size: int) -> None:
    assert _decoded(decoder, make_delta(OLD, NEW, frame_bytes), size) == NEW


def test_where_a_frame_ends_another_decoder_can_go_on(decoder: Decoder) -> None:
    delta = make_delta(OLD, NEW, 30_000)
    taken, made = 0, b""
    for piece in decoder.pieces(delta):
        taken, made = taken + piece.taken, made + piece.data
        if piece.ends and len(made) > 100_000:
            break
    decoder.restart()
    assert len(made) % 30_000 == 0
    assert made + _decoded(decoder, delta[taken:], 1000) == NEW


def test_every_byte_of_a_delta_is_taken_once(decoder: Decoder) -> None:
    delta = make_delta(OLD, NEW, 30_000)
    pieces = list(decoder.pieces(delta))
    assert sum(piece.taken for piece in pieces) == len(delta)
    assert sum(piece.ends for piece in pieces) == -(-len(NEW) // 30_000)


def test_a_moved_and_repeated_file_takes_little(decoder: Decoder) -> None:
    assert len(make_delta(OLD, NEW)) < 4_000


@pytest.mark.parametrize("data", [b"<html>not found</html>", bytes(100)])
def test_what_is_no_delta_is_told(decoder: Decoder, data: bytes) -> None:
    with pytest.raises(DeltaError):
        _decoded(decoder, data, 1000)


def test_what_expands_without_end_comes_in_pieces(decoder: Decoder) -> None:
    bomb = make_delta(OLD, bytes(40 << 20))
    assert len(bomb) < 10_000
    assert max(len(piece.data) for piece in decoder.pieces(bomb)) <= 1 << 20


def test_a_file_starts_from_the_one_that_had_its_name() -> None:
    def manifest(**files: str) -> dict[str, object]:
        named = [{"path": path, "sha256": sha256} for path, sha256 in files.items()]
        sizes = [{"sha256": sha256, "size_bytes": 10 if sha256 == "small" else 10_000} for sha256 in files.values()]
        return {
            "artifacts": [{"name": "one", "files": named}], "golden": {"files": []}, "licences": [], "files": sizes
        }  # fmt: skip

    old = manifest(model="before", same="same", tiny="small", moved="there", only="only")
    new = manifest(model="after", same="same", tiny="after tiny", fresh="there", other="new")
    assert bases(old, new) == {"after": "before"}
