"""A job's files on this machine: what goes to a device with it, and where its answers land."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class JobFiles:
    """Where a job's files are on this machine."""

    sources: Mapping[str, Path]
    """Each of `job.files`, by its path there; an artifact may be a folder."""
    folder: Path
    """Takes what comes back: the captured outputs under their name in the job, and agent.log."""
