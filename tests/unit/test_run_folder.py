"""Where a run writes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from edgeship.toolchain.report.folder import RunFolder


def test_runs_that_begin_at_once_get_folders_of_their_own(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        folders = [made.path for made in threads.map(RunFolder.claim, [tmp_path / "runs"] * 24, ["tiny"] * 24)]
    assert len(set(folders)) == 24
    assert all("-tiny" in folder.name and (folder / "artifacts").is_dir() for folder in folders)
