"""The tables of artifact_latency and what_optimizations_bring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks import latency_goals
from benchmarks.markdown import RUNTIMES, Document, conditions, goal_line, grid
from edgeship.toolchain.report.format import decibel, milliseconds, ratio, size


def latency_table(document: Document, results: Path) -> str:
    """Our int8 files beside the runtimes' own quantizers', and what optimizations bring."""
    rows, failed, seen = [], [], set()
    slow: dict[str, list[str]] = {}
    for name, row in document["rows"].items():
        if "error" in row:
            failed.append(f"\n- {name}: {row['error']}")
            continue
        dynamic = row["variant"] == "int8-dynamic"

        def quality(which: str, row: dict[str, Any] = row, dynamic: bool = dynamic) -> str:
            return f"cosine {row['cosine'][which]:.4f}" if dynamic else decibel(row["sqnr_db"][which])

        def told(which: str, row: dict[str, Any] = row) -> str:
            return f"{milliseconds(row['p50_ns'][which])} ms · {size(row['size_bytes'][which])}"

        if "ours_to_theirs" not in row:
            continue
        mean, low, high = row["ours_to_theirs"]
        if row["ours_to_float"][1] > latency_goals.FLOAT_LATENCY and row.get("to_blame"):
            slow.setdefault(row["to_blame"], []).append(f"{row['model']} {RUNTIMES[row['target']]}")
        about = f" ({row['covers']})" if row.get("covers") and row["model"] not in seen else ""
        seen.add(row["model"])
        rows.append(
            [
                f"{row['model']}{' dynamic' if dynamic else ''}{about}",
                RUNTIMES[row["target"]],
                told("float"),
                f"{told('theirs')} · {quality('theirs')}",
                f"{told('ours')} · {quality('ours')}",
                f"{ratio(mean)} [{low:.2f}, {high:.2f}]",
                ratio(row["ours_to_float"][0]),
            ]
        )
    head = ["network", "runtime", "float", "the runtime's own quantizer", "edgeship", "edgeship ÷ own", "÷ float"]
    timed = [row for row in document["rows"].values() if "launch_medians_ns" in row]
    pairs = sorted({len(row["launch_medians_ns"]["ours"]) for row in timed}) or [0]
    launches = " to ".join(str(count) for count in dict.fromkeys((pairs[0], pairs[-1])))
    tools = "; ".join(dict.fromkeys(row["tool"] for row in document["rows"].values() if "error" not in row))
    how = conditions(
        document,
        f"{launches} interleaved launches per file, medians; ratio over pairs with its 95% interval. Quality against "
        f"the float model on held-out inputs. Own quantizers: {tools}, same float model, same calibration data.",
    )
    days: dict[str, list[str]] = {}
    for row in timed:
        days.setdefault(row["measured"], []).append(f"{row['model']} {RUNTIMES[row['target']]}")
    earlier = "".join(f" Measured on {day}: {', '.join(days[day])}." for day in sorted(days)[:-1])
    without = [f"{row['model']} {RUNTIMES[row['target']]}" for row in timed if not row["vnni"]]
    if without and len(without) < len(timed):
        earlier += f" On a processor without VNNI: {', '.join(without)}; the others on one with it."
    goals = "".join(f"\n- {goal_line(goal)}" for goal in document["goals"])
    text = f"{grid(head, rows)}\n\n{how}{earlier}\n{goals}" + ("\n" + "".join(failed) if failed else "")
    if slow:
        text += "\n\nSlower than their float twins, and why:\n"
        text += "".join(f"\n- {', '.join(names)}: {why}" for why, names in slow.items())
    other = results / "optimizations.json"
    return text + ("\n\n" + optimizations_table(json.loads(other.read_text())) if other.exists() else "")


def optimizations_table(document: Document) -> str:
    """Latency without one optimization, as a ratio to the file as shipped."""
    columns = list(dict.fromkeys((row["target"], row["variant"]) for row in document["rows"].values()))
    ways = list(dict.fromkeys(row["way"] for row in document["rows"].values() if row["way"] != "as shipped"))
    found = {(row["target"], row["variant"], row["way"]): row for row in document["rows"].values()}
    rows = []
    for way in ways:
        cells = []
        for target, variant in columns:
            row = found.get((target, variant, way))
            cells.append("" if row is None else "not made" if "error" in row else ratio(row["to_usual"][0]))
        rows.append([way, *cells])
    model = next(iter(document["rows"].values()))["model"]
    head = ["latency ÷ as shipped", *(f"{RUNTIMES[target]} {variant}" for target, variant in columns)]
    return f"What each optimization brings ({model}):\n\n{grid(head, rows)}"
