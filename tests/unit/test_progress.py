"""What a run tells while it goes on: every line once when it is finished, and on a terminal nothing that is over."""

from __future__ import annotations

import io
import re

from rich.console import Console
from rich.progress import Progress

from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.report.terminal.progress import Tracker

LINES = {
    "net-float-onnx": "net float → onnx",
    "net-int8-onnx": "net int8 → onnx",
    "net-int4-coreml": "net int4 → coreml",
}
EVENTS = (
    Event("net-int4-coreml", "unsupported", "carries no int4"),
    Event("net: images data", "progress", "reading images data"),
    Event("net: images data", "ended", ""),
    Event("net", "warning", "64 samples are few"),
    Event("net-float-onnx", "progress", "converting"),
    Event("net-float-onnx", "ended", ""),
    Event("net-float-onnx", "progress", "verifying"),
    Event("net-int8-onnx", "progress", "converting"),
    Event("net-float-onnx", "done", "pass"),
    Event("net-int8-onnx", "failed", "operator [Foo]"),
    Event("net-float-onnx", "measuring", "launch 1 of 5 (local, threads 1, batch 1)"),
    Event("net-int8-onnx", "measuring", "launch 1 of 5 (local, threads 1, batch 1)"),
    Event("net-int8-onnx", "measuring", "launch 2 of 5 (local, threads 1, batch 1)"),
)


def test_a_log_gets_one_line_for_each_finished_line_and_each_round_of_launches() -> None:
    file = io.StringIO()
    tracker = Tracker(LINES, Console(file=file, width=40, highlight=False))
    for event in EVENTS:
        tracker(event)
    assert re.sub(r"\d+\.\d s", "0.1 s", file.getvalue()).splitlines() == [
        "[1/3] net int4 → coreml: unsupported, 0.1 s",
        "warning: net: 64 samples are few",
        "[2/3] net float → onnx: pass, 0.1 s",
        "[3/3] net int8 → onnx: failed, 0.1 s: operator [Foo]",
        "measuring: launch 1 of 5 (local, threads 1, batch 1), 0.1 s",
        "measuring: launch 2 of 5 (local, threads 1, batch 1), 0.1 s",
    ]


def test_a_terminal_shows_what_is_worked_on_and_how_many_lines_are_finished() -> None:
    on = Console(file=io.StringIO(), width=80, highlight=False)
    progress = Progress(console=on)
    tracker = Tracker(LINES, on, progress)

    def rows() -> list[tuple[str, str]]:
        return [(task.description, task.fields["stage"]) for task in progress.tasks]

    seen = []
    for event in EVENTS:
        tracker(event)
        seen.append(rows())
    assert seen[1] == [("1 of 3 lines", ""), ("net: images data", "reading images data")]
    assert seen[2] == [("1 of 3 lines", "")]
    assert seen[7] == [
        ("1 of 3 lines", ""),
        ("1 warning", "net: 64 samples are few"),
        ("net float → onnx", "verifying"),
        ("net int8 → onnx", "converting"),
    ]
    assert [task.description for task in progress.tasks if not task.finished] == ["measuring"]
    assert seen[9] == [("3 of 3 lines", ""), ("1 warning", "net: 64 samples are few")]
    assert seen[-1][2:] == [("measuring", "net int8 → onnx, launch 2 of 5 (local, threads 1, batch 1)")]
    assert isinstance(on.file, io.StringIO)
    assert "failed: net int8 → onnx: operator [Foo]" in on.file.getvalue()
