"""The history of figures: kept by every run, compared only where that can be."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from report_documents import execution, line, report
from rich.console import Console

from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.report import past
from edgeship.toolchain.report.terminal.past import past_view


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGESHIP_HISTORY", str(tmp_path / "data" / "history.sqlite"))
    return tmp_path / "data" / "history.sqlite"


def keep(at: str, size_bytes: int = 27_000, **fields: object) -> None:
    lines = [line("int8", "onnx", execution("w8a8-static", **fields), size_bytes=size_bytes)]
    past.keep(report(lines, created_at=f"2026-11-{at}T10:00:00Z"))


def shown(entries: list[past.Entry], last: int = 5) -> list[str]:
    console = Console(file=io.StringIO(), width=140)
    for part in past_view(entries, last):
        console.print(part)
    return [" ".join(row.split()) for row in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.usefixtures("file")
def test_every_run_adds_its_figures_and_changes_are_told_of_what_is_the_same_in_every_run() -> None:
    assert past.entries() == []
    assert shown([]) == ["nothing is kept yet: every `edgeship run` adds its figures"]
    keep("01")
    keep("02", size_bytes=28_350, accuracy=0.983)
    keep("03", size_bytes=28_350, samples=64)
    found = past.entries("digits")
    assert {entry.figure for entry in found} == {"size_bytes", "metric", "latency_p50_ms", "peak_rss_bytes"}
    assert [entry.value for entry in found if entry.figure == "size_bytes"] == [27_000, 28_350, 28_350]
    rows = shown(found)
    assert "net int8 → onnx size_bytes 2026-11-03 10:00:00 28 kB same file" in rows
    assert "2026-11-02 10:00:00 28 kB 1.05×" in rows
    assert "2026-11-02 10:00:00 98.3% -1.00 points" in rows
    assert "net int8 → onnx local metric 2026-11-03 10:00:00 99.3% not compared: other samples" in rows
    assert "2026-11-02 10:00:00 0.207 ms" in rows  # a time of another run is no baseline
    assert rows[-1].startswith("Times of different runs are no comparison")
    assert len(shown(past.entries("digits", ("size_bytes",)), last=1)) < len(rows) / 3
    assert past.entries("another") == []


def test_the_history_may_be_left_out_and_one_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGESHIP_HISTORY", "")
    keep("01")
    assert past.entries() == []
    (tmp_path / "text").write_text("no database, and longer than a header of one" * 40)
    monkeypatch.setenv("EDGESHIP_HISTORY", str(tmp_path / "text"))
    with pytest.raises(EdgeshipError, match="cannot be used: file is not a database") as caught:
        keep("01")
    assert "EDGESHIP_HISTORY" in caught.value.hint
