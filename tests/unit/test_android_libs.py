"""Native libraries as an app ships them: which of them Android takes on pages of 16 KB."""

from __future__ import annotations

import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from android_libs import libraries, read

SCRIPT = Path(__file__).parents[1] / "android_libs.py"
ARM, X86 = 183, 62


def _elf(machine: int, alignment: int, offset: int = 0x4000) -> bytes:
    """A library of one load segment, and nothing in it."""
    header = struct.pack(
        "<4sBBB9xHHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 3, machine, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )  # fmt: skip
    return header + struct.pack("<IIQQQQQQ", 1, 5, offset, 0x8000, 0x8000, 16, 16, alignment)


def _archive(path: Path, **files: bytes) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for abi, content in files.items():
            archive.writestr(f"lib/{abi.replace('arm64', 'arm64-v8a')}/libmodel.so", content)
    return path


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (_elf(ARM, 0x4000), None),
        (_elf(ARM, 0x10000), None),
        (_elf(ARM, 0x1000), "a load segment is aligned to 4 KB"),
        (_elf(ARM, 0x4000, offset=0x5000), "a load segment's offset does not fit its address"),
        (_elf(X86, 0x4000), "it is for machine 62, not for arm64-v8a"),
        (b"MZ" * 64, "it is no 64-bit little-endian ELF file"),
    ],
)
def test_a_library_is_looked_at_by_its_header_and_load_segments(content: bytes, fault: str | None) -> None:
    assert read("libmodel.so", "arm64-v8a", content).faults == ((fault,) if fault else ())


def test_an_apk_with_a_library_that_would_not_do_is_refused(tmp_path: Path) -> None:
    good = _archive(tmp_path / "good.apk", arm64=_elf(ARM, 0x4000), x86_64=_elf(X86, 0x4000))
    old = _archive(tmp_path / "old.apk", arm64=_elf(ARM, 0x1000), x86_64=_elf(X86, 0x4000))
    half = libraries(_archive(tmp_path / "half.apk", arm64=_elf(ARM, 0x4000)))
    assert [(library.abi, library.faults) for library in half] == [("arm64-v8a", ()), ("x86_64", ("it is not there",))]

    def checked(*archives: Path) -> tuple[int, str]:
        done = subprocess.run([sys.executable, str(SCRIPT), *map(str, archives)], capture_output=True, text=True)
        return done.returncode, done.stdout

    assert checked(good)[0] == 0
    code, said = checked(good, old)
    assert code == 1
    assert "3 of 4 libraries are fine" in said
    assert checked(old.rename(tmp_path / "old.aar"))[0] == 0
