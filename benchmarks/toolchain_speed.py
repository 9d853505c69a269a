"""edgeship's own speed, beside a plain script that makes the same artifacts one after another in one process.

Everything runs on a copy of examples/digits with a cache of its own, empty at first. Steps: `edgeship --help`; the
demo with an empty cache; building cold, interleaved with benchmarks/plain_script.py; the demo's recipe again with
nothing changed; again with one target option changed. The native ExecuTorch runner (compiled once per machine) is
part of the demo, not of the cold builds.

Alone on two cores: demo ≤ 3 minutes, each pair of cold builds about 4 minutes; half an hour in all. No step may take
longer than 15 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.lines import EDGESHIP, bounded
from benchmarks.results import ROOT, Goal, Results, at_least, at_most, say
from edgeship.toolchain import stats

LONGEST_MINUTES = 15


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """Issues 3 (section 9) and 10 (part 5)."""
    if "help" in rows:
        yield at_most("help-seconds", rows["help"]["median_s"], 0.4)
    if "demo" in rows:
        yield at_most("demo-seconds", rows["demo"]["seconds"], 180)
    if "cold" in rows:
        yield at_most("cold-files-to-plain-script", rows["cold"]["files_ratio"], 0.55)
        yield at_most("cold-build-to-plain-script", rows["cold"]["ratio"][0], 0.7)
    if "warm" in rows:
        yield at_most("warm-run-seconds", rows["warm"]["median_s"], 1.5)
        yield at_most("warm-run-imports-torch", float(rows["warm"]["imports_torch"]), 0)
    if "changed" in rows:
        changed = rows["changed"]
        yield at_most("programs-rebuilt-after-a-changed-target-option", changed["programs_built"], 0)
        surplus = changed["artifacts_built"] - changed["lines_of_target"]
        yield at_most("lines-rebuilt-beyond-the-changed-target", surplus, 0)
        yield at_least("lines-rebuilt-of-the-changed-target", changed["artifacts_built"], changed["lines_of_target"])
    if "demo" in rows:
        yield at_most("build-worker-memory-gb", rows["demo"]["peak_bytes"] / 1e9, 4)


class Bench:
    """A copy of the digits example, and caches, in a folder that vanishes."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.digits = work / "digits"
        shutil.copytree(ROOT / "examples" / "digits", self.digits, ignore=shutil.ignore_patterns("__pycache__"))
        self.cache = work / "cache"
        self.files_s: list[float] = []
        """Of each cold build: seconds until its last file was made."""
        self.cpu_s: dict[str, list[float]] = {"edgeship": [], "plain script": []}
        """Of each build, workers and agents included."""

    def edgeship(self, *arguments: str, cache: Path | None = None) -> tuple[float, int]:
        """Seconds and exit code of one `edgeship run` of the recipe."""
        log = self.work / "log.txt"
        environment = {"EDGESHIP_CACHE": str(cache or self.cache)}
        command = [
            str(EDGESHIP),
            "run",
            str(self.digits / "recipe.toml"),
            "--runs",
            str(self.work / "runs"),
            *arguments,
        ]
        started = time.monotonic()
        code = bounded(command, LONGEST_MINUTES, log, environment)
        seconds = time.monotonic() - started
        if code not in (0, 1):
            raise SystemExit(f"edgeship run: exit code {code}: {log.read_text()[-2000:]}")
        return seconds, code

    def report(self) -> Any:
        """The newest run's report."""
        return json.loads(max(self.work.glob("runs/*/report.json"), key=lambda p: p.stat().st_mtime).read_text())

    def entries(self) -> dict[str, int]:
        """How many entries of each kind the cache holds."""
        command = [str(EDGESHIP), "cache", "--json"]
        environment = {**os.environ, "EDGESHIP_CACHE": str(self.cache)}
        answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        return {kind: about["entries"] for kind, about in json.loads(answer.stdout)["kinds"].items()}

    def help(self, times: int) -> dict[str, Any]:
        """`edgeship --help`, after one launch that warms the page cache."""
        seconds = []
        for _ in range(times + 1):
            started = time.monotonic()
            subprocess.run([str(EDGESHIP), "--help"], capture_output=True, check=True)
            seconds.append(time.monotonic() - started)
        return {"median_s": float(np.median(seconds[1:])), "seconds": seconds[1:]}

    def demo(self) -> dict[str, Any]:
        """What `make demo` runs, with an empty cache."""
        seconds, code = self.edgeship("--quick")
        report = self.report()
        statuses = [line.get("verdict", line["status"]) for line in report["lines"]]
        return {
            "seconds": seconds,
            "exit_code": code,
            "phases_s": report["seconds"],
            "lines": {name: statuses.count(name) for name in sorted(set(statuses))},
            "peak_bytes": max(report["worker_peak_bytes"].values()),
        }

    def cold(self, pairs: int) -> dict[str, Any]:
        """Cold builds and plain scripts in turn: A B, B A …

        edgeship verifies what it builds, the script does not: the goal counts both, `files_ratio` the files alone.
        """
        ours: list[float] = []
        plain: list[float] = []
        for pair in range(pairs):
            order = [self._cold_build, self._plain_script]
            for step in order if pair % 2 == 0 else order[::-1]:
                seconds = step()
                say(f"pair {pair + 1} of {pairs}: {step.__name__.strip('_').replace('_', ' ')}: {seconds:.1f} s")
                (ours if step == self._cold_build else plain).append(seconds)
        mean, interval = stats.paired_ratio(ours, plain)
        lines = [line for line in self.report()["lines"] if line["status"] != "unsupported"]
        return {
            "edgeship_s": ours,
            "edgeship_files_s": self.files_s,
            "plain_script_s": plain,
            "cpu_s": self.cpu_s,
            "ratio": [mean, *(interval or ())],
            "files_ratio": stats.paired_ratio(self.files_s, plain)[0],
            "artifacts": len(lines),
            "failed": sum(line["status"] == "failed" for line in lines),
        }

    def _cold_build(self) -> float:
        cache = self.work / "cold-cache"
        shutil.rmtree(cache, ignore_errors=True)
        runner = self.cache / "native-runner"
        if runner.exists():
            shutil.copytree(runner, cache / "native-runner", symlinks=True)
        started, before = time.time(), _children_cpu_s()
        seconds, _ = self.edgeship("--no-measure", cache=cache)
        self.files_s.append(self._last_file() - started)
        workers = sum(timing["cpu_s"] for timing in self.report()["timings"] if "cpu_s" in timing)
        self.cpu_s["edgeship"].append(_children_cpu_s() - before + workers)  # workers are children of the fork server
        return seconds

    def _last_file(self) -> float:
        """When the newest run made its last file, in seconds since 1970."""
        log = max(self.work.glob("runs/*/events.jsonl"), key=lambda p: p.stat().st_mtime)
        events = [json.loads(line) for line in log.read_text().splitlines()]
        spent = [(event["t"], json.loads(event["text"])["work"]) for event in events if event["kind"] == "spent"]
        return float(max(at for at, work in spent if work == "convert"))

    def _plain_script(self) -> float:
        out, log = self.work / "plain", self.work / "plain.txt"
        shutil.rmtree(out, ignore_errors=True)
        started, before = time.monotonic(), _children_cpu_s()
        code = bounded([sys.executable, "-m", "benchmarks.plain_script", str(out)], LONGEST_MINUTES, log)
        self.cpu_s["plain script"].append(_children_cpu_s() - before)
        if code != 0:
            raise SystemExit(f"plain_script: exit code {code}: {log.read_text()[-2000:]}")
        return time.monotonic() - started

    def warm(self, times: int) -> dict[str, Any]:
        """The same run again; what its process imports is asked of Python's own -X importtime."""
        self.edgeship("--quick")  # whatever the first run left out
        seconds = [self.edgeship("--quick")[0] for _ in range(times)]
        command = [sys.executable, "-X", "importtime", str(EDGESHIP), "run", str(self.digits / "recipe.toml")]
        command += ["--quick", "--runs", str(self.work / "runs")]
        environment = {**os.environ, "EDGESHIP_CACHE": str(self.cache)}
        told = subprocess.run(command, capture_output=True, text=True, check=False, env=environment).stderr
        imported = {line.rpartition("|")[2].strip() for line in told.splitlines() if line.startswith("import time:")}
        return {"median_s": float(np.median(seconds)), "seconds": seconds, "imports_torch": "torch" in imported,
                "modules_imported": len(imported)}  # fmt: skip

    def changed(self) -> dict[str, Any]:
        """One option of one target changed: which entries are new."""
        before = self.entries()
        recipe = self.digits / "recipe.toml"
        recipe.write_text(recipe.read_text().replace("[targets.onnx]", "[targets.onnx]\nopset = 22"))
        seconds, _ = self.edgeship("--no-measure")
        after = self.entries()
        lines = [line for line in self.report()["lines"] if line["target"] == "onnx" and line["status"] == "ok"]
        return {
            "seconds": seconds,
            "programs_built": after["program"] - before["program"],
            "artifacts_built": after["artifact"] - before["artifact"],
            "lines_of_target": len(lines),
        }


def _children_cpu_s() -> float:
    """Of the processes that were waited for so far."""
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    """All steps, in the order in which each needs the one before."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one pair of cold builds")
    parser.add_argument("--pairs", type=int, default=5, help="pairs of cold builds")
    options = parser.parse_args()
    results = Results("speed", options.quick)
    with tempfile.TemporaryDirectory(prefix="edgeship-benchmark-") as work:
        steps = Bench(Path(work))
        results.put("help", steps.help(3 if options.quick else 10), goals)
        say("the demo with an empty cache")
        results.put("demo", steps.demo(), goals)
        say("the same again")
        results.put("warm", steps.warm(3 if options.quick else 5), goals)
        say("one target option changed")
        results.put("changed", steps.changed(), goals)
        results.put("cold", steps.cold(1 if options.quick else options.pairs), goals)
    results.finish(goals)


if __name__ == "__main__":
    main()
