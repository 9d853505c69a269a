"""What `compare` and `bench --against` found, for a person."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from edgeship.toolchain.measure.comparison import Comparison
from edgeship.toolchain.report.format import milliseconds, ratio, share, size
from edgeship.toolchain.report.terminal.table import Column, FittedTable

STYLES = {
    "regression": "bold red",
    "more": "bold red",
    "improvement": "green",
    "fewer": "green",
    "no change": "green",
    "same": "green",
    "inconclusive": "yellow",
}


def comparison_view(found: Comparison) -> Iterator[Text | FittedTable]:
    """Both files' figures, the ratio, and the verdict last."""
    counted = found.quantity == "instructions"
    title = "M instr" if counted else f"{found.quantity.replace('-', ' ')} ms"
    figures = [f"{value / 1e6:.3f}" if counted else milliseconds(value) for value in found.figures]
    rows = [
        [role, name, size(size_bytes), figure]
        for role, name, size_bytes, figure in zip(
            ("baseline", "candidate"), (found.baseline, found.candidate), found.size_bytes, figures, strict=True
        )
    ]
    yield FittedTable(
        [Column("", "key"), Column("file", "key"), Column("size", "figure"), Column(title, "figure")], rows
    )
    yield Text("")
    if found.interval:
        low, high = found.interval
        yield Text(
            f"candidate ÷ baseline {ratio(found.ratio)}, 95% interval {low:.3f} to {high:.3f}, {found.pairs} pairs"
        )
    else:
        yield Text(f"candidate ÷ baseline {found.ratio:.4f}" + (", exact" if counted else ", no interval"))
    if found.detectable is not None:
        yield Text(f"these pairs find an effect of {share(found.detectable)} in four of five tries", "dim")
    if found.flags:
        yield Text(f"flags: {', '.join(found.flags)}", "dim")
    if counted:
        text = f"{found.verdict} instructions"
    else:
        reason = f": {found.reason}" if found.reason else ""
        text = f"{found.verdict}{reason} (effects of {share(found.threshold)} matter)"
    yield Text(f"{text} on {found.device}", STYLES[found.verdict])


def comparisons_view(found: Sequence[Comparison]) -> Iterator[Text | FittedTable]:
    """Several files, each beside its baseline: a line each, the verdict last."""
    rows: list[list[str | Text]] = []
    for each in found:
        low, high = each.interval or (None, None)
        interval = "" if low is None else f"{low:.3f} to {high:.3f}"
        verdict = each.verdict + (f": {each.reason}" if each.reason else "")
        rows.append([each.candidate, each.baseline, ratio(each.ratio), interval, Text(verdict, STYLES[each.verdict])])
    figures = [Column(title, "figure") for title in ("ratio", "95% interval")]
    yield FittedTable([Column("file", "key"), Column("baseline", "key"), *figures, Column("latency", "text")], rows)
    yield Text("")
    more = f", {len(found)} comparisons judged together (Holm)" if len(found) > 1 else ""
    yield Text(f"{found[0].pairs} pairs of launches, effects of {share(found[0].threshold)} matter{more}", "dim")
