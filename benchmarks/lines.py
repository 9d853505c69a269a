"""Runs recipes with `edgeship run` and keeps of their reports what the tables show."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from edgeship.toolchain.report.document import Report, ReportLine

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
        report = Report.model_validate(json.loads(reports[-1].read_text()))
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
    measured = next((m for m in line.measurements if "p50" in m.latency_ns), None)
    facts = {
        "variant": line.variant,
        "target": line.target,
        "spec": line.spec,
        "status": line.status,
        "verdict": line.verdict,
        "executed_by": line.executed_by,
        "stage": line.stage,
        "reason": line.reason[:300] if line.reason else None,
        "flags": line.flags or None,
        "size_bytes": line.artifact.size_bytes if line.artifact else None,
        "size_ratio": line.size_ratio,
        "latency_ratio": line.latency_ratio,
        "p50_ns": measured.latency_ns["p50"] if measured else None,
        "peak_rss_bytes": measured.peak_rss_bytes if measured else None,
        "sqnr_program_db": line.parity.sqnr_db if line.parity else None,
        "sqnr_float_db": line.parity_float.sqnr_db if line.parity_float else None,
        "cosine_float": line.parity_float.cosine if line.parity_float else None,
        "top1_agreement": line.parity_float.top1_agreement if line.parity_float else None,
        "metric": line.metric.model_dump(by_alias=True) if line.metric else None,
    }
    return {name: value for name, value in facts.items() if value is not None}
