"""Writes results/*.json and the example plugins into the pages, between their markers: `python -m benchmarks.tables`.

`<!-- table:NAME -->` … `<!-- /table:NAME -->` takes the table of NAME; `<!-- code:FILE -->` … `<!-- /code -->` takes
FILE and, of a plugin, the line that registers it. A table without results stays as it is. `--check` writes nothing and
fails when something differs.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.aa_table import aa_table
from benchmarks.arm_counts_table import arm_counts_table
from benchmarks.broken_table import broken_table
from benchmarks.coverage_table import coverage_table
from benchmarks.growth_table import growth_table
from benchmarks.latency_table import latency_table
from benchmarks.markdown import RUNTIMES, Document, conditions, grid
from benchmarks.overhead_table import overhead_table
from benchmarks.update_table import update_table
from edgeship.toolchain.report.format import decibel, milliseconds, ratio, share, size

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGES = (
    *(ROOT / "README.md", ROOT / "CONTRIBUTING.md"),
    *(ROOT / "docs" / f"{name}.md" for name in ("results", "verdicts")),
)
SLOWER = 1.05
FEW = 50
"""Fewer samples than these stand beside a task metric (Core AI's interpreter is slow)."""


def render(text: str, root: Path = ROOT, results: Path = RESULTS) -> str:
    """The text with every block between markers renewed."""

    def table(match: re.Match[str]) -> str:
        name = match["name"]
        file = results / f"{name}.json"
        if not file.exists():
            return match[0]
        body = TABLES[name](json.loads(file.read_text()), results)
        return f"<!-- table:{name} -->\n{body}\n<!-- /table:{name} -->"

    def code(match: re.Match[str]) -> str:
        return f"<!-- code:{match['file']} -->\n{plugin(root / match['file'])}\n<!-- /code -->"

    text = re.sub(r"<!-- table:(?P<name>\w+) -->.*?<!-- /table:(?P=name) -->", table, text, flags=re.DOTALL)
    return re.sub(r"<!-- code:(?P<file>\S+) -->.*?<!-- /code -->", code, text, flags=re.DOTALL)


def plugin(file: Path) -> str:
    """A plugin's file as it stands, and its entry points in the pyproject.toml of its package."""
    package = file.parent.parent if file.name == "__init__.py" else file.parent
    module = file.parent.name if file.name == "__init__.py" else file.stem
    groups = tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"]
    lines = [
        f'[project.entry-points."{group}"]\n{name} = "{place}"'
        for group, names in groups.items()
        for name, place in names.items()
        if place.partition(":")[0] == module
    ]
    return f"```python\n{file.read_text()}```\n\n```toml\n" + "\n".join(lines) + "\n```"


def cell(line: dict[str, Any]) -> str:
    """One line of a report: quality, latency, size; or why there is none."""
    if line["status"] == "unsupported":
        return "–"
    if line["status"] == "failed":
        return "**not made**"
    parts = []
    if "metric" in line:
        few = line["metric"]["samples"] < FEW
        parts.append(share(line["metric"]["artifact"]) + (f" of {line['metric']['samples']}" if few else ""))
    if "sqnr_float_db" in line and ("metric" not in line or line["verdict"] == "fail"):
        parts.append(decibel(line["sqnr_float_db"]))
    if "p50_ns" in line:
        slower = line.get("latency_ratio", 0)
        parts.append(f"{milliseconds(line['p50_ns'])} ms" + (f" ({ratio(slower)} float)" if slower > SLOWER else ""))
    if "size_bytes" in line:
        parts.append(size(line["size_bytes"]))
    mark = {"fail": "**fails** ", "not-executed": "not executed, "}.get(line.get("verdict", ""), "")
    return mark + " · ".join(parts)


def reasons(found: list[tuple[str, dict[str, Any]]]) -> str:
    """Why lines were not made or fail, once per reason."""
    told: dict[str, list[str]] = {}
    for name, line in found:
        if line["status"] == "failed" or line.get("verdict") == "fail":
            told.setdefault(line.get("reason", "no reason given"), []).append(name)
    return "".join(f"\n- {', '.join(names)}: {reason}" for reason, names in told.items())


def example_table(document: Document, results: Path) -> str:
    """One recipe: runtimes down, variants across."""
    row = next(iter(document["rows"].values()))
    if "error" in row:
        return f"Not measured: {row['error']}"
    lines = row["lines"]
    variants = list(dict.fromkeys(line["variant"] for line in lines))
    by_key = {(line["target"], line["variant"]): line for line in lines}
    targets = list(dict.fromkeys(line["target"] for line in lines))
    rows = [[RUNTIMES.get(t, t), *(cell(by_key[t, v]) for v in variants)] for t in targets]
    metric = next((line["metric"]["name"] for line in lines if "metric" in line), "")
    quick = "one short launch each, figures compare within the table only" if row["protocol"]["quick"] else (
        f"median of {row['protocol']['launches']} launches"
    )  # fmt: skip
    told = reasons([(f"{line['variant']} {RUNTIMES.get(line['target'], line['target'])}", line) for line in lines])
    quality = f"{metric} on the evaluation data" if metric else "SQNR to float"
    text = f"{grid(['', *variants], rows)}\n\n" + conditions(
        document,
        f"{quality} · median latency ({quick}) · file size; – is not something the runtime carries. "
        "Core ML by reference evaluation of the file, Core AI by its interpreter: numbers, never speed.",
    )
    return text + (f"\n{told}" if told else "")


def zoo_table(document: Document, results: Path) -> str:
    """Networks and runtimes down, variants across."""
    rows, told = [], []
    variants = ["float", "int8", "int8-dynamic"]
    for model, row in document["rows"].items():
        if "error" in row:
            rows.append([model, "all", f"not finished: {row['error']}", *[""] * (len(variants) - 1)])
            continue
        by_key = {(line["target"], line["variant"]): line for line in row["lines"]}
        for index, target in enumerate(dict.fromkeys(line["target"] for line in row["lines"])):
            cells = [cell(by_key[target, variant]) for variant in variants]
            rows.append([model if index == 0 else "", RUNTIMES[target], *cells])
        told += [(f"{model} {line['variant']} {RUNTIMES[line['target']]}", line) for line in row["lines"]]
    how = conditions(
        document,
        "Untrained networks, batch norm warmed up. SQNR to float · median latency (one short launch) · file size; "
        "– is not something the runtime carries. Core ML and Core AI are never timed off Apple hardware.",
    )
    peaks = [row["peak_bytes"] for row in document["rows"].values() if row.get("peak_bytes")]
    memory = f" A build worker took {max(peaks) / 1e9:.1f} GB at most." if peaks else ""
    why = reasons(told)
    return f"{grid(['network', 'runtime', *variants], rows)}\n\n{how}{memory}" + (f"\n{why}" if why else "")


def speed_table(document: Document, results: Path) -> str:
    """The tool's own figures with their goals."""
    rows = document["rows"]
    told = [
        ["`edgeship --help`", f"{rows['help']['median_s']:.2f} s", "≤ 0.4 s"],
        ["the demo, set up, nothing cached", f"{rows['demo']['seconds']:.0f} s", "≤ 180 s"],
    ]
    if "cold" in rows:
        cold = rows["cold"]
        ours, plain = (sum(cold[k]) / len(cold[k]) for k in ("edgeship_s", "plain_script_s"))
        figure = f"{ours:.0f} s against {plain:.0f} s: {ratio(cold['ratio'][0])}"
        told.append([f"{cold['artifacts']} artifacts cold and verified, against a plain script", figure, "≤ 0.7×"])
        files = sum(cold["edgeship_files_s"]) / len(cold["edgeship_files_s"])
        figure = f"{files:.0f} s against {plain:.0f} s: {ratio(cold['files_ratio'])}"
        told.append(["until the last of them was made, as far as the script goes", figure, "≤ 0.55×"])
        if "cpu_s" in cold:
            cpu = [f"{sum(side) / len(side):.0f} s" for side in cold["cpu_s"].values()]
            told.append(["CPU seconds of both", " against ".join(cpu), ""])
    if "warm" in rows:
        torch = "torch imported" if rows["warm"]["imports_torch"] else "torch not imported"
        told.append(["the same run again", f"{rows['warm']['median_s']:.2f} s, {torch}", "≤ 1.5 s"])
    if "changed" in rows:
        changed = rows["changed"]
        figure = f"{changed['artifacts_built']} files of {changed['lines_of_target']} lines, "
        figure += f"{changed['programs_built']} programs, {changed['seconds']:.0f} s"
        told.append(["one option of one target changed: rebuilt", figure, "that target's lines only"])
    told.append(["most memory of a build worker", f"{rows['demo']['peak_bytes'] / 1e9:.1f} GB", "≤ 4 GB"])
    how = conditions(document, "The plain script (`benchmarks/plain_script.py`) verifies nothing; edgeship does.")
    return f"{grid(['', 'here', 'goal'], told)}\n\n{how}"


TABLES: dict[str, Callable[[Document, Path], str]] = {
    "demo": example_table,
    "minilm": example_table,
    "pitch": example_table,
    "zoo": zoo_table,
    "latency": latency_table,
    "coverage": coverage_table,
    "broken_files": broken_table,
    "growth": growth_table,
    "arm_counts": arm_counts_table,
    "agent_overhead": overhead_table,
    "aa_test": aa_table,
    "update_bytes": update_table,
    "speed": speed_table,
}


def main() -> None:
    """Renew the pages, or with --check say which are not up to date."""
    texts = {page: (page.read_text(), render(page.read_text())) for page in PAGES}
    stale = [page for page, (before, after) in texts.items() if before != after]
    names = ", ".join(page.relative_to(ROOT).as_posix() for page in stale)
    if "--check" in sys.argv[1:]:
        sys.exit(f"{names}: not what the results say: run `make tables`" if stale else 0)
    for page in stale:
        page.write_text(texts[page][1])
    print(f"renewed: {names}" if stale else "the pages are up to date")


if __name__ == "__main__":
    main()
