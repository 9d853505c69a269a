"""What a bundle says of one line of a run, and the line's files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.artifact import Artifact
from edgeship.toolchain.bundle.contents import Contents
from edgeship.toolchain.bundle.manifest import Figures, NamedFile, Shipped
from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.report.document import ReportLine
from edgeship.toolchain.report.folder import RunFolder


def artifact_of(line: ReportLine) -> Artifact:
    """A line's artifact; EdgeshipError where the run made none."""
    if line.artifact is None:
        raise EdgeshipError(f"{line.name}: the run has no artifact of it", "run the recipe again")
    return line.artifact


def place_of(run: RunFolder, line: ReportLine) -> Path:
    """The folder of a line's files, which are those that the run judged."""
    folder = run.path / str(line.path).rpartition("/")[0]
    there, judged = artifacts.read(folder), artifact_of(line)
    same = (there.sha256, there.extra_files) == (judged.sha256, judged.extra_files)
    if same and there.extra_sha256 == (judged.extra_sha256 or there.extra_sha256):
        return folder
    raise EdgeshipError(f"{folder}: not the files that the run judged", "run the recipe again")


def shipped(line: ReportLine, folder: Path, abis: Sequence[str], quick: bool, contents: Contents) -> Shipped:
    """A line as the manifest has it; its files go into `contents`. EdgeshipError where the run has no limit for it."""
    artifact = artifact_of(line)
    name = f"{line.variant}-{line.target}"
    first = line.first
    limit = first.threshold.program_db if first and first.threshold else None
    if limit is None:
        raise EdgeshipError(f"{line.name}: the run has no limit for it", "run the recipe again")
    return Shipped(
        name=name,
        variant=line.variant,
        format=artifact.format,
        spec=artifact.spec,
        entry=artifact.file,
        files=list(_files(artifact, folder, contents)),
        runtime=artifact.runtime.model_copy(update={"minimum_version": _numbers(artifact.runtime.minimum_version)}),
        abis=list(abis),
        inputs=list(artifact.inputs),
        outputs=list(artifact.outputs),
        size_bytes=artifact.size_bytes,
        min_sqnr_db=limit,
        metric={first.metric.name: first.metric.artifact} if first and first.metric else {},
        figures=[
            Figures(
                device=execution.device,
                runtime=measured.runtime,
                agent=measured.agent,
                threads=measured.threads,
                batch=measured.batch,
                latency_ns=measured.latency_ns,
                peak_rss_bytes=measured.peak_rss_bytes,
                flags=[*measured.flags, *measured.notes],
                quick=quick,
            )
            for execution in line.executions
            for measured in execution.measurements
        ],
        notes=list(artifact.notes),
        provenance=artifact.provenance,
    )


def _numbers(version: str) -> str:
    """1.5.1 of 1.5.1+cpu, 17 of iOS17: what devices compare."""
    found = re.search(r"\d+(\.\d+)*", version)
    return found[0] if found else "0"


def _files(artifact: Artifact, folder: Path, contents: Contents) -> list[NamedFile]:
    found = []
    for name in (artifact.file, *artifact.extra_files, *artifact.contract.files):
        place = folder / name
        inside = sorted(path for path in place.rglob("*") if path.is_file()) if place.is_dir() else [place]
        found += [contents.add(path.relative_to(folder).as_posix(), path) for path in inside]
    return found
