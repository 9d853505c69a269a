"""Lines beside each other: ratios to the float twin, what is dominated, and which file of each target to ship."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass

from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.report.document import Execution, ReportLine

SLOWER_RATIO = 1.05
"""An artifact this much slower than its float twin is flagged (the default threshold for latency)."""
MOST_NAMED = 3
"""Kinds of operators named as the reason of a slow file."""
SAME_LATENCY = 1.02
"""Latencies this close are equal: two launches of one file differ as much."""
SAME_SQNR_DB = 1.0
"""Nobody ships a larger file for less than this."""


def compare(lines: Sequence[ReportLine], exceeding: Set[str] = frozenset()) -> None:
    """Fill in every line's ratios and flags, what it is dominated by and whether it is recommended.

    Lines named in `exceeding` are over a budget: neither recommended nor a reason to leave another.
    """
    for group in _by_file_kind(lines):
        twin = next((line for line in group if not line.passes), None)
        for line in group:
            if twin is not None and line is not twin:
                _against(line, twin)
        passed = [
            Candidate.of(line)
            for line in group
            if line.verdict == "pass" and line.artifact is not None and line.name not in exceeding
        ]
        for one in passed:
            better = next((other for other in passed if other.dominates(one)), None)
            one.line.dominated_by = better.line.variant if better else None
        if passed:
            best([one for one in passed if not one.line.dominated_by] or passed).line.recommended = True


def _by_file_kind(lines: Sequence[ReportLine]) -> Iterable[list[ReportLine]]:
    groups: dict[tuple[str, str], list[ReportLine]] = {}
    for line in lines:
        groups.setdefault((line.model, line.target), []).append(line)
    return groups.values()


def _against(line: ReportLine, twin: ReportLine) -> None:
    """Ratios to the float file of the same model and target, device by device."""
    if line.artifact is None or twin.artifact is None:
        return
    line.size_ratio = line.artifact.size_bytes / twin.artifact.size_bytes
    if line.size_ratio > 1:
        line.flags.append("larger-than-float")
    theirs = {execution.device: execution for execution in twin.executions}
    for execution in line.executions:
        other = theirs.get(execution.device)
        if execution.instructions and other and other.instructions:
            execution.instructions_ratio = execution.instructions.total / other.instructions.total
        ratio = _latency_ratio(execution, other)
        execution.latency_ratio = ratio
        if ratio is not None and ratio > SLOWER_RATIO:
            execution.flags.append("slower-than-float")
            execution.slower_because = to_blame(line.artifact)


def to_blame(artifact: Artifact) -> str | None:
    """The operators that make a file of integers slow: those its runtime computes in float, each between conversions.

    None where that is not told, or the file is not one of integers.
    """
    if artifact.float_operators is None or not (artifact.dtypes or {}).get("int8"):
        return None
    named = [f"{count} {name}" for name, count in artifact.float_operators.items()]
    if not named:
        return "no operator computes in float: the runtime's integer kernels are slower for these shapes"
    more = f" and {len(named) - MOST_NAMED} other kinds" if len(named) > MOST_NAMED else ""
    return f"{', '.join(named[:MOST_NAMED])}{more} compute in float between conversions"


def _latency_ratio(ours: Execution, theirs: Execution | None) -> float | None:
    """p50 ÷ p50 of the first configuration that both have."""
    known = {(m.threads, m.batch): m.latency_ns.get("p50") for m in theirs.measurements} if theirs else {}
    for m in ours.measurements:
        p50, twin = m.latency_ns.get("p50"), known.get((m.threads, m.batch))
        if p50 and twin:
            return p50 / twin
    return None


@dataclass(frozen=True)
class Candidate:
    """A file that passed: what it costs and what it keeps."""

    line: ReportLine
    size_bytes: int
    latency_ns: dict[str, float]
    """Its median on each device that timed it, in the recipe's order."""
    metric: float | None
    sqnr_db: float

    @classmethod
    def of(cls, line: ReportLine) -> Candidate:
        """Figures of a line that passed."""
        assert line.artifact is not None
        judged = next((e for e in line.executions if e.verdict == "pass"), None)
        return cls(
            line,
            line.artifact.size_bytes,
            {e.device: e.timed.latency_ns["p50"] for e in line.executions if e.timed},
            judged.metric.artifact if judged and judged.metric else None,
            judged.parity_float.sqnr_db if judged and judged.parity_float else 0.0,
        )

    def dominates(self, other: Candidate) -> bool:
        """Whether this file is no larger, no slower and no less accurate than another, and clearly better in one."""
        if self is other or self.latency_ns.keys() != other.latency_ns.keys():
            return False
        faster = [other.latency_ns[device] / self.latency_ns[device] for device in self.latency_ns]
        gain, same = self._gain(other)
        if self.size_bytes > other.size_bytes or gain < -same or any(f * SAME_LATENCY < 1 for f in faster):
            return False
        return self.size_bytes < other.size_bytes or gain > same or any(f > SAME_LATENCY for f in faster)

    def _gain(self, other: Candidate) -> tuple[float, float]:
        """How much more accurate this file is, and how much of that is nothing: by the task metric, else by SQNR."""
        if self.metric is not None and other.metric is not None:
            return self.metric - other.metric, 0.0
        return self.sqnr_db - other.sqnr_db, SAME_SQNR_DB


def best(candidates: Sequence[Candidate]) -> Candidate:
    """The file to ship: of the fastest ones, which differ by less than SAME_LATENCY, the smallest.

    The first device that timed any of them decides; where none did, size alone.
    """
    device = next((device for one in candidates for device in one.latency_ns), "")
    timed = [one for one in candidates if device in one.latency_ns]
    fastest = min((one.latency_ns[device] for one in timed), default=0.0)
    near = [one for one in timed if one.latency_ns[device] <= fastest * SAME_LATENCY]
    return min(near or candidates, key=lambda one: one.size_bytes)
