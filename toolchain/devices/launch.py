"""One launch over a link: the job made of what is to be executed, and the outputs read from its result."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.link import Link
from edgeship.toolchain.protocol.jobs import Load, make_job, read_outputs
from edgeship.toolchain.protocol.messages import DEADLINE_NS, Config, Result
from edgeship.toolchain.room import out_of_room
from edgeship.toolchain.samples import Array


@dataclass(frozen=True)
class Launched:
    """What came of a launch."""

    result: Result
    outputs: list[dict[str, Array]]
    """The captured ones of every row by name; empty where nothing was captured."""


def launch(link: Link, load: Load, config: Config, capture: bool = True, deadline_ns: int = DEADLINE_NS) -> Launched:
    """Execute a load in one fresh process. Raises as `Link.execute`, and DeviceError for a disk that is full."""
    with tempfile.TemporaryDirectory(prefix="edgeship-launch-") as name:
        work = Path(name)
        try:
            job, files = make_job(load, config, work, capture, deadline_ns)
            result = link.execute(job, files)
        except OSError as error:
            if full := out_of_room(error, work):
                raise DeviceError(str(full), full.hint) from error
            raise
        failure = result.runs[0].error
        if failure and (full := out_of_room(RuntimeError(failure.message), work)):
            raise DeviceError(str(full), full.hint)
        return Launched(result, read_outputs(result, job, work, load.artifact))
