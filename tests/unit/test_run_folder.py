"""Where a run writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgeship.toolchain.commands.run import claimed


def test_runs_that_begin_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        folders = list(threads.map(claimed, [tmp_path / "runs" / "now-tiny"] * 24))
    assert len(set(folders)) == 24
    assert {"now-tiny", "now-tiny-2", "now-tiny-24"} <= {folder.name for folder in folders}
