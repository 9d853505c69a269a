"""Memory: what a machine or a container can give, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeship.toolchain.build.memory import available_bytes, expected, for_workers, refuse_too_large, total
from edgeship.toolchain.errors import LineError

NOWHERE = Path("/nowhere")


def group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(f"{content}\n")


def test_without_groups_the_machine_decides() -> None:
    assert available_bytes(NOWHERE, NOWHERE) > 0


def test_a_container_gives_what_its_group_has_left(tmp_path: Path) -> None:
    group(tmp_path / "of", memory__max="max", memory__current=0)
    group(tmp_path / "of" / "us", memory__max=5_000_000, memory__current=3_000_000, memory__stat="inactive_file 500000")
    (tmp_path / "membership").write_text("0::/of/us\n")
    assert available_bytes(tmp_path, tmp_path / "membership") == 2_500_000


def test_a_group_above_limits_too(tmp_path: Path) -> None:
    group(tmp_path / "of", memory__max=4_000_000, memory__current=3_500_000)
    group(tmp_path / "of" / "us", memory__max=5_000_000, memory__current=3_000_000)
    (tmp_path / "membership").write_text("0::/of/us\n")
    assert available_bytes(tmp_path, tmp_path / "membership") == 500_000


def test_groups_of_the_first_version_are_read(tmp_path: Path) -> None:
    group(tmp_path / "memory" / "us", memory__limit_in_bytes=4_000_000, memory__usage_in_bytes=3_000_000)
    (tmp_path / "membership").write_text("12:cpu,cpuacct:/us\n5:memory:/us\n")
    assert available_bytes(tmp_path, tmp_path / "membership") == 1_000_000


def test_what_is_asked_for_is_what_the_build_may_take() -> None:
    assert total(for_workers(6.0)) == 6_000_000_000
    assert for_workers(0.1) == 0
    assert for_workers(None) >= 1_500_000_000


def test_a_large_network_is_refused_with_both_figures_and_a_small_one_never() -> None:
    with pytest.raises(LineError, match=r"expected to take 8\.\d GB of memory, the build may take 6\.0 GB"):
        refuse_too_large(expected(6, 1_300_000_000), for_workers(6.0))
    refuse_too_large(expected(6, 1_000_000), for_workers(0.1))
    refuse_too_large(expected(6, 344_000_000), for_workers(6.0))
