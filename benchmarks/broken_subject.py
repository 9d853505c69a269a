"""One program and its sound files: broken in a way, exported again or patched, and judged."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.forked import Forked
from benchmarks.mutations import mutate
from benchmarks.patches import PATCHES, patch
from edgeship.toolchain.artifact import Artifact, ConstantsAudit, digest
from edgeship.toolchain.build.lines import Built
from edgeship.toolchain.build.stages.stored import StoredProgram
from edgeship.toolchain.devices.local import LocalLink
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.judge import verdict as judging
from edgeship.toolchain.judge.answers import ask
from edgeship.toolchain.judge.line import case_of
from edgeship.toolchain.link import Link
from edgeship.toolchain.model import program as programs
from edgeship.toolchain.model.audit import compared, inventory_of
from edgeship.toolchain.model.constants import constants_of
from edgeship.toolchain.model.expected import Constants
from edgeship.toolchain.plugin import Context, Need
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.samples import load_samples

Row = dict[str, Any]
SOUND_ALL_THE_SAME = "the converter writes the sound file all the same"


@dataclass(frozen=True)
class Subject:
    """A network's program after its passes, and the sound files that were made from it."""

    net: str
    variant: str
    recipe: Recipe
    stored: StoredProgram
    lines: tuple[Built, ...]

    @cached_property
    def constants(self) -> Constants:
        """What its files must hold."""
        return constants_of(self.stored.open())

    @cached_property
    def answers(self) -> list[torch.Tensor]:
        """The sound program's outputs for every sample that files are compared on."""
        return list(self._answers(self.stored.open().module()))

    def _answers(self, module: torch.fx.GraphModule) -> Iterator[torch.Tensor]:
        comparison = self.lines[0].comparison
        count = len(next(iter(load_samples(comparison.expected).inputs.values())))
        samples = load_samples(comparison.samples)
        for index in range(count):
            with torch.no_grad():
                yield from module(*(torch.from_numpy(np.array(each, order="C")) for each in samples.row(index)))

    def name(self, line: Built, kind: str) -> str:
        """Of a row."""
        return f"{self.net}/{self.variant}/{line.plan.target_name}/{kind}"

    def sound(self, line: Built) -> Row:
        """The row of a sound file."""
        return self._judged(line, line.artifact, line.folder, Forked())

    def broken(self, kind: str, lines: list[Built]) -> Iterator[tuple[Built, Row]]:
        """The rows of these lines' files, made from the program after it was broken, or why there are none."""
        if kind in PATCHES:
            yield from ((line, self._patched(line, kind)) for line in lines)
            return
        with tempfile.TemporaryDirectory(prefix="edgeship-broken-") as work:
            path = Path(work) / "broken.pt2"
            reason = self._break(kind, path)
            for line in lines:
                yield line, {"skipped": reason} if reason else self._exported(line, path, Path(work))

    def _break(self, kind: str, path: Path) -> str:
        """Write the broken program; why it is none, or nothing."""
        module = self.stored.open().module()
        if not mutate(module, kind, f"{self.net} {self.variant}"):
            return "nothing of the kind in it"
        if all(torch.equal(*pair) for pair in zip(self._answers(module), self.answers, strict=True)):
            return "no output changes"
        try:
            programs.save(programs.export(module, self._context(path.parent).example, self.stored.signature), path)
        except Exception as error:  # what cannot be exported ships nothing
            return f"not made: {type(error).__name__}: {str(error)[:120]}"
        return ""

    def _exported(self, line: Built, path: Path, work: Path) -> Row:
        out = Path(tempfile.mkdtemp(dir=work))
        try:
            artifact = line.plan.target.export(programs.load(path), out, self._context(work))
        except Exception as error:  # a program that no converter takes ships nothing
            return {"skipped": f"not made: {type(error).__name__}: {str(error)[:120]}"}
        if artifact.sha256 == line.artifact.sha256:
            return {"skipped": SOUND_ALL_THE_SAME}
        row = self._audited(line, artifact, out, Forked())
        return row if row["verdict"] != "pass" else self._again(line, artifact, out)

    def _again(self, line: Built, artifact: Artifact, out: Path) -> Row:
        """The row of a file that was let through, in fresh processes: they have nothing that was imported before, and
        it may be the sound file in other bytes."""
        case = case_of(line, self.recipe)
        count = len(next(iter(case.expected.values())))
        files = ((line.artifact, line.folder), (artifact, out))
        link = LocalLink()
        with contextlib.suppress(DeviceError):  # which the verdict tells
            sound, broken = (ask(*file, link, case.samples, count, case.slow_samples, None).outputs for file in files)
            if sound.keys() == broken.keys() and all(np.array_equal(sound[name], broken[name]) for name in sound):
                return {"skipped": SOUND_ALL_THE_SAME}
        return self._audited(line, artifact, out, link)

    def _patched(self, line: Built, kind: str) -> Row:
        with tempfile.TemporaryDirectory(prefix="edgeship-broken-") as work:
            out = Path(work) / "out"
            shutil.copytree(line.folder, out)
            if not patch(line.artifact, out, kind, self.name(line, kind)):
                return {"skipped": "no such number in its bytes"}
            artifact = line.artifact.model_copy(update={"sha256": digest(out / line.artifact.file)})
            return self._audited(line, artifact, out, Forked())

    def _audited(self, line: Built, artifact: Artifact, out: Path, link: Link) -> Row:
        found = inventory_of(artifact, out)
        told = {"constants": None if found is None else compared(self.constants, found).audit}
        return self._judged(line, artifact.model_copy(update=told), out, link)

    def _judged(self, line: Built, artifact: Artifact, folder: Path, link: Link) -> Row:
        return _row(judging.judge(artifact, folder, link, case_of(line, self.recipe)), artifact.constants)

    def _context(self, scratch: Path) -> Context:
        needs: frozenset[Need] = frozenset().union(*(line.plan.target.needs for line in self.lines))
        return self.stored.context(needs, scratch, lambda text: None, lambda what, text: None)


def _row(verdict: judging.Verdict, constants: ConstantsAudit | None) -> Row:
    parity, limits = verdict.against_program, verdict.threshold
    audited = [reason for reason in verdict.reasons if constants and f"only {constants}" in reason]
    shown = verdict.verdict == "fail" and len(audited) < len(verdict.reasons)
    return {
        "verdict": verdict.verdict,
        "reason": "; ".join(verdict.reasons)[:200],
        "seen_in": [where for where, seen in (("answers", shown), ("constants", bool(audited))) if seen],
        "sqnr_db": parity and round(parity.sqnr_db, 1),
        "floor_db": limits and limits.floor_db and round(limits.floor_db, 1),
    }
