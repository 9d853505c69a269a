"""Jobs as an agent finds them: a folder with the files at their places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeship.toolchain.protocol.jobs import Load, make_job
from edgeship.toolchain.protocol.messages import Config, Job


def laid_out(load: Load, work: Path, config: Config | None = None, **how: Any) -> Job:
    """A job whose files lie in `work` as they would on a device; by default one that verifies."""
    job, files = make_job(load, config or Config(mode="verify"), work, **how)
    for path, source in files.sources.items():
        place = work / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(source.resolve())
    return job
