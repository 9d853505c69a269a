"""Memory: what a piece of work is expected to take, what this machine can give, and what is said where that is less.

Expected figures are a little above what `benchmarks/growth.py` saw: its results hold the peak of each kind of work.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from edgeship.toolchain.errors import LineError

BARE_BYTES = 300_000_000
"""A worker with the libraries of its target and a small network, beside what it shares with the fork server."""
SMALL_BYTES = 1_500_000_000
"""What expects no more than this is never refused: the figures below are for networks larger than libraries."""
OWN_BYTES = 600_000_000
"""The process that commands the workers, and the fork server that they come from."""
CAPTURE_TIMES, PASS_TIMES, CONVERT_TIMES, RUN_TIMES = 3.0, 2.5, 6.0, 2.5
"""How many times the stored program (its float weights) each kind of work takes beside that: ViT-B 1.2, 1.4, 4.1 to 5.8
and 1.9 times. A pass that trains has gradients, moments and a teacher, too."""
TRAIN_TIMES = 7.0
VERIFY_TIMES = 3.0
"""The same, of a file."""
CGROUPS = Path("/sys/fs/cgroup")


def expected(times: float, program_bytes: int) -> int:
    """What work takes that holds a stored program so many times over, itself and its copies."""
    return BARE_BYTES + int(times * program_bytes)


def for_workers(memory_gb: float | None) -> int:
    """What all workers together may take of `build.memory_gb`; None stands for what this machine can give now."""
    if memory_gb is None:  # what is free now may be more in a minute: small networks are built in any case
        return max(available_bytes() - OWN_BYTES, SMALL_BYTES)
    return max(int(memory_gb * 1e9) - OWN_BYTES, 0)


def total(workers_bytes: int) -> int:
    """What the whole build takes whose workers take so much."""
    return workers_bytes + OWN_BYTES


def refuse_too_large(needed: int, allowed: int) -> None:
    """LineError where work is expected to take more than all workers may."""
    if needed > max(allowed, SMALL_BYTES):
        raise LineError(
            f"building it is expected to take {total(needed) / 1e9:.1f} GB of memory, "
            f"the build may take {total(allowed) / 1e9:.1f} GB",
            "build it on a machine with more memory, or raise build.memory_gb to try it here",
        )


def available_bytes(groups: Path = CGROUPS, membership: Path = Path("/proc/self/cgroup")) -> int:
    """What this machine can still give, or the container (control group of Linux) that this process runs in."""
    import psutil

    left = [int(psutil.virtual_memory().available)]
    for folder in _groups(groups, membership):
        limit = _number(folder / "memory.max", folder / "memory.limit_in_bytes")
        used = _number(folder / "memory.current", folder / "memory.usage_in_bytes")
        if limit is not None and used is not None:
            left.append(max(0, limit - used + _cache_bytes(folder / "memory.stat")))
    return min(left)


def _groups(groups: Path, membership: Path) -> list[Path]:
    """The control groups that may limit this process, of both versions: its own and all above it."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        root = groups if not controllers else groups / "memory"
        if controllers in ("", "memory"):
            own = PurePosixPath(path.lstrip("/"))
            found += [root / part for part in (own, *own.parents)]
    return found


def _number(*files: Path) -> int | None:
    """What the first of these files says that is there; None where that is no number: no limit."""
    for file in files:
        try:
            return int(file.read_text())
        except (OSError, ValueError):
            continue
    return None


def _cache_bytes(statistics: Path) -> int:
    """File pages that the group holds and gives back when memory is asked for."""
    try:
        facts = dict(line.split() for line in statistics.read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return int(facts.get("inactive_file", facts.get("total_inactive_file", 0)))
