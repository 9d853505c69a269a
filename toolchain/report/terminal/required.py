"""What `reduced-build` wrote, for a person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from edgeship.toolchain.report.required import RequiredOperators
from edgeship.toolchain.report.terminal.console import count
from edgeship.toolchain.report.terminal.table import Column, FittedTable


def required_view(found: RequiredOperators) -> Iterator[Text | FittedTable]:
    """For each runtime what its files need, and where that is written."""
    for each in found.runtimes:
        yield Text(f"{each.runtime}: {', '.join(each.files)}", "bold")
        if each.whole:
            yield from (Text(each.whole, "dim"), Text(""))
            continue
        title = count(len(each.operators), "operator")
        yield FittedTable([Column(title, "key")], [[operator] for operator in each.operators])
        for name in each.written:
            yield Text(f"{found.folder}/{name}", "green")
        yield Text("")
