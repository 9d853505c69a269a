"""What building costs as the network grows: seconds and peak memory of the whole process tree, beside a plain script.

ResNet18 (12 M parameters), ResNet152 (60 M), ViT-B/16 (86 M) and ViT-L/16 (304 M), float and int8 static, for
ExecuTorch, ONNX Runtime and LiteRT: `edgeship run --no-measure` with an empty cache, and the same passes and exports
called one after another in one process, which verifies nothing. Memory is the sum of proportional set sizes (PSS of
Linux: shared pages are counted once), looked at twice a second.

Alone on two cores about 40 minutes, and 21 GB for the largest plain script; --quick takes ResNet18 only.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks.lines import EDGESHIP, bounded
from benchmarks.results import ROOT, Goal, Results, at_most, say
from edgeship.toolchain.report.document import Report
from edgeship.toolchain.report.folder import newest

NETWORKS = {"resnet18": 12, "resnet152": 60, "vit_b_16": 86, "vit_l_16": 304}
"""torchvision's names → millions of parameters."""
TARGETS = ("executorch", "onnx", "litert")
MEMORY_GB = {"vit_b_16": 6.0, "vit_l_16": 12.0}
"""The machine that a network of this size must fit into."""
MINUTES = 30
LOOK_S = 0.5

RECIPE = """
name = "{name}"

[model]
factory = "{folder}/models.py:warmed"
arguments = {{ name = "{name}" }}
inputs = [{{ name = "image", shape = [1, 3, 224, 224] }}]
outputs = ["logits"]

[calibration]
source = "python"
function = "{folder}/images.py:few"

[verify]
samples = 4

[build]
timeout_s = 1800
{memory}

[variants]
float = []
int8 = ["quantize-static"]

[targets.executorch]
[targets.onnx]
[targets.litert]
"""


def goals(rows: dict[str, Any]) -> Iterator[Goal]:
    """304 M parameters fit into 12 GB, 86 M into 6 GB; nothing fails."""
    for name, limit in MEMORY_GB.items():
        if name in rows:
            yield at_most(f"peak-memory-gb/{name}", rows[name]["edgeship"]["peak_bytes"] / 1e9, limit)
    if rows:
        failed = sum(row["edgeship"]["exit_code"] not in (0, 1) for row in rows.values())
        yield at_most("builds-that-failed", failed, 0)


class Watch:
    """The most memory that the descendants of this process that began since held together, until it is closed."""

    def __init__(self) -> None:
        self._others = {process.pid for process in psutil.Process().children(recursive=True)}
        self.peak_bytes = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            tree = [each for each in psutil.Process().children(recursive=True) if each.pid not in self._others]
            self.peak_bytes = max(self.peak_bytes, sum(map(pss_bytes, tree)))

    def close(self) -> int:
        """Stop looking; the peak."""
        self._over.set()
        self._thread.join()
        return self.peak_bytes


def pss_bytes(process: psutil.Process) -> int:
    """Proportional set size of one process; 0 when it has ended."""
    try:
        text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
    except (OSError, ProcessLookupError):
        return 0
    found = [line for line in text.splitlines() if line.startswith("Pss:")]
    return int(found[0].split()[1]) * 1024 if found else 0


def plain(name: str, out: Path) -> None:
    """The six files without edgeship's build: in one process, one after another."""
    import torch

    from benchmarks import images, models
    from benchmarks.plain_script import TARGETS as PLUGINS
    from edgeship.toolchain.api import FLOAT32, Context, Samples, Signature, Tensor, export
    from edgeship.toolchain.model.program import flatten, load, save
    from edgeship.toolchain.passes.quantize import QuantizeStatic

    samples = Samples({"image": images.few()}, None)
    signature = Signature(
        (Tensor(name="image", dtype="float32", shape=(1, 3, 224, 224)),),
        (Tensor(name="logits", dtype="float32", shape=(1, 1000)),),
    )
    example = (torch.from_numpy(samples.inputs["image"][0]),)
    program = export(flatten(models.warmed(name), 1).eval(), example, signature)
    for variant, step in {"float": None, "int8": QuantizeStatic()}.items():
        spec = step.spec(FLOAT32) if step else FLOAT32
        context = Context(signature, FLOAT32, example=example, calibration=samples)
        save(step.apply(program, context) if step else program, out / f"{variant}.pt2")
        for target in TARGETS:
            folder = out / f"{variant}-{target}"
            folder.mkdir()
            PLUGINS[target].export(load(out / f"{variant}.pt2"), folder, Context(signature, spec, example=example))


def _work(report: Report) -> dict[str, Any]:
    """Each kind of work: its seconds in all, and the most memory that one of them took, beside what workers share."""
    targets = {f"{line.model}-{line.variant}-{line.target}": line.target for line in report.lines}  # as plans are named
    found: dict[str, Any] = {}
    for timing in report.timings:
        kind = f"{timing.work} {targets[timing.line]}" if timing.work in ("convert", "verify") else timing.work
        row = found.setdefault(kind, {"seconds": 0.0, "cpu_s": 0.0, "peak_bytes": 0})
        row["seconds"] += timing.wall_s
        row["cpu_s"] += timing.cpu_s or 0
        row["peak_bytes"] = max(row["peak_bytes"], timing.peak_bytes or 0)
    return found


def _not_passed(report: Report) -> dict[str, str]:
    """Every line that was not made or not proven, and why."""
    return {
        f"{line.variant} {line.target}": line.reason or f"{line.verdict}: {'; '.join(line.executions[0].reasons)}"[:300]
        for line in report.lines
        if line.verdict != "pass"
    }


def _measured(command: list[str], work: Path, environment: dict[str, str] | None = None) -> dict[str, Any]:
    log = work / "log.txt"
    started = time.monotonic()
    watch = Watch()
    before = os.times()
    code = bounded(command, MINUTES, log, environment)
    after = os.times()
    peak = watch.close()
    if code not in (0, 1):
        say(f"exit code {code}: {' | '.join(log.read_text(errors='replace').strip().splitlines()[-2:])[:300]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return {"seconds": time.monotonic() - started, "cpu_s": cpu, "peak_bytes": peak, "exit_code": code}


def main() -> None:
    """Each network that was named, or all: edgeship, then the plain script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", action="append", choices=NETWORKS, help="only this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="resnet18 only")
    parser.add_argument("--plain", nargs=2, metavar=("NETWORK", "OUT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.plain:
        return plain(options.plain[0], Path(options.plain[1]))
    results = Results("growth", options.quick)
    for name in options.network or (["resnet18"] if options.quick else NETWORKS):
        row: dict[str, Any] = {"parameters_m": NETWORKS[name]}
        with tempfile.TemporaryDirectory(prefix="edgeship-benchmark-") as folder:
            work = Path(folder)
            recipe = work / "recipe.toml"
            memory = f"memory_gb = {MEMORY_GB[name]}" if name in MEMORY_GB else ""
            recipe.write_text(RECIPE.format(name=name, folder=ROOT / "benchmarks", memory=memory))
            say(f"{name}: edgeship run")
            command = [str(EDGESHIP), "run", str(recipe), "--runs", str(work / "runs"), "--no-measure"]
            row["edgeship"] = _measured(command, work, {"EDGESHIP_CACHE": str(work / "cache")})
            report = newest(work / "runs").report() if list(work.glob("runs/*/report.json")) else None
            row["work"] = _work(report) if report else {}
            row["not_passed"] = _not_passed(report) if report else {"all": "no report"}
            row["edgeship"]["cpu_s"] += sum(
                kind["cpu_s"] for kind in row["work"].values()
            )  # its workers are no children
        results.put(name, row, goals)  # the plain script may take long
        with tempfile.TemporaryDirectory(prefix="edgeship-benchmark-") as folder:
            say(f"{name}: the plain script")
            row["plain"] = _measured([sys.executable, "-m", "benchmarks.growth", "--plain", name, folder], Path(folder))
        results.put(name, row, goals)
    return results.finish(goals)


if __name__ == "__main__":
    main()
