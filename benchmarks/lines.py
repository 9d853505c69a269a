"""Runs recipes with `edgeship run` and keeps of their reports what the tables show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from edgeship.toolchain.report.document import ReportLine
from edgeship.toolchain.report.folder import RunFolder

EDGESHIP = Path(sys.executable).with_name("edgeship")


def run(recipe: Path, arguments: list[str], minutes: float, environment: dict[str, str] | None = None) -> Any:
    """One `edgeship run`: its seconds, the most memory a worker took, its lines; or {"error": why there are none}."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgeship-benchmark-") as work:
        log = Path(work) / "log.txt"
        command = [str(EDGESHIP), "run", str(recipe), "--runs", f"{work}/runs", *arguments]
        code = bounded(command, minutes, log, environment)
        seconds = time.monotonic() - started
        reports = sorted(Path(work).glob("runs/*/report.json"))
        if not reports:
            said = " | ".join(log.read_text(errors="replace").strip().splitlines()[-3:])
            return {"error": "not finished in time" if code is None else f"exit code {code}: {said}"}
        report = RunFolder(reports[-1].parent).report()
    return {
        "seconds": round(seconds, 1),
        "exit_code": code,
        "worker_peak_bytes": report.worker_peak_bytes,
        "protocol": report.protocol,
        "lines": [line_facts(line) for line in report.lines],
    }


def bounded(command: list[str], minutes: float, log: Path, environment: dict[str, str] | None = None) -> int | None:
    """The command's exit code; None when it had to be ended after `minutes`, its children with it."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that `finally` ends the children
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            stdout=stream,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        try:
            return process.wait(minutes * 60)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def line_facts(line: ReportLine) -> dict[str, Any]:
    """A line of a report without raw samples; what is unknown is absent."""
    judged = line.first
    measured, near = judged and judged.timed, judged and judged.parity_float
    facts = {
        "variant": line.variant,
        "target": line.target,
        "spec": line.spec,
        "status": line.status,
        "verdict": line.verdict,
        "executed_by": judged and judged.executed_by,
        "stage": line.stage,
        "reason": "; ".join(line.reasons)[:300] or None,
        "flags": [*line.flags, *(judged.flags if judged else [])] or None,
        "size_bytes": line.artifact.size_bytes if line.artifact else None,
        "size_ratio": line.size_ratio,
        "latency_ratio": judged and judged.latency_ratio,
        "p50_ns": measured.latency_ns["p50"] if measured else None,
        "peak_rss_bytes": measured.peak_rss_bytes if measured else None,
        "sqnr_program_db": judged.parity.sqnr_db if judged and judged.parity else None,
        "sqnr_float_db": near.sqnr_db if near else None,
        "cosine_float": near.cosine if near else None,
        "top1_agreement": near.top1_agreement if near else None,
        "metric": judged.metric.model_dump(by_alias=True) if judged and judged.metric else None,
    }
    return {name: value for name, value in facts.items() if value is not None}
