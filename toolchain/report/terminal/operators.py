"""What `operators` found, for a person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from edgeship.toolchain.report.format import milliseconds, share
from edgeship.toolchain.report.operators import Operators, Profiled
from edgeship.toolchain.report.terminal.console import count
from edgeship.toolchain.report.terminal.table import Column, FittedTable


def operators_view(found: Operators, most: int) -> Iterator[Text | FittedTable]:
    """For each file its kinds of operators, then the `most` operators that take longest."""
    for each in found.files:
        yield Text(each.file, "bold")
        if each.error:
            yield Text(each.error, "bold red")
        else:
            yield _kinds(each)
            yield Text("")
            yield _slowest(each, most)
            if not each.total_ns:
                yield Text("each takes less than the microsecond that its runtime's clock can tell", "yellow")
        yield Text("")
    yield Text(
        f"the mean of {found.calls} calls without interrupted ones, threads {found.threads}; "
        "profiling takes time itself: how fast a file is, `bench` says",
        "dim",
    )


def _kinds(each: Profiled) -> FittedTable:
    sums: dict[str, tuple[int, int]] = {}
    for operator in each.operators:
        number, taken = sums.get(operator.kind, (0, 0))
        sums[operator.kind] = number + 1, taken + operator.ns
    slowest_first = sorted(sums.items(), key=lambda item: -item[1][1])
    rows = [
        [kind, str(number), milliseconds(taken), share(taken / each.total_ns if each.total_ns else 0)]
        for kind, (number, taken) in slowest_first
    ]
    rows.append(["all", str(len(each.operators)), milliseconds(each.total_ns), ""])
    return FittedTable([Column("kind", "key"), *(Column(title, "figure") for title in ("count", "ms", "share"))], rows)


def _slowest(each: Profiled, most: int) -> FittedTable:
    operators = sorted(each.operators, key=lambda operator: -operator.ns)[:most]
    rows = [[one.name, one.kind, one.module, milliseconds(one.ns), share(one.share)] for one in operators]
    title = f"the {count(len(rows), 'operator')} that take longest"
    columns = [Column(title, "key"), Column("kind", "text"), Column("module", "text")]
    return FittedTable([*columns, Column("ms", "figure"), Column("share", "figure")], rows)
