"""Where a run keeps what it found: the run directory and its layout, or nothing but the store."""

from __future__ import annotations

import dataclasses
import json
import shutil
import time
from pathlib import Path
from typing import Any, Protocol

from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.build.lines import Built, Event
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.protocol.messages import Result, dump
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.report import golden
from edgeship.toolchain.report.document import Report
from edgeship.toolchain.report.earlier import current

REPORT = "report.json"
PAGE = "report.html"


class Keeper(Protocol):
    """Takes what a run makes while it runs; paths in the report are those it answers."""

    @property
    def log(self) -> Path:
        """The file that workers write beside."""
        ...

    def event(self, event: Event) -> None:
        """Something happened."""
        ...

    def artifact(self, built: Built) -> str:
        """Keep a line's files; the path of the file."""
        ...

    def measurement(self, result: Result, line: str, device: str) -> str:
        """Keep a result with its raw samples; its path."""
        ...


@dataclasses.dataclass(frozen=True)
class InStore:
    """Keeps nothing: artifacts stay where the store has them."""

    log: Path

    def event(self, event: Event) -> None:
        """Nothing is written."""

    def artifact(self, built: Built) -> str:
        """The file's place in the store."""
        return str(built.folder / built.artifact.file)

    def measurement(self, result: Result, line: str, device: str) -> str:
        """The store has it."""
        return ""


@dataclasses.dataclass(frozen=True)
class RunFolder:
    """A run directory: recipe.toml, plan.json, events.jsonl, logs, report.json; artifacts/, debug/, golden/ and
    measurements/."""

    path: Path

    @classmethod
    def claim(cls, runs: Path, name: str) -> RunFolder:
        """Make RUNS/<time>-<name>: mkdir decides between two runs that begin in the same second."""
        runs.mkdir(parents=True, exist_ok=True)
        stem, number = f"{time.strftime('%Y%m%d-%H%M%S')}-{name}", 1
        path = runs / stem
        while True:
            try:
                path.mkdir()
                break
            except FileExistsError:
                number += 1
                path = runs / f"{stem}-{number}"
        (path / "artifacts").mkdir()
        return cls(path)

    @property
    def log(self) -> Path:
        """Workers write log-<family>.txt."""
        return self.path / "log.txt"

    @property
    def artifacts(self) -> Path:
        """One folder for each line."""
        return self.path / "artifacts"

    @property
    def page(self) -> Path:
        """The report for a person."""
        return self.path / PAGE

    def begin(self, recipe: Recipe, plan: Any) -> None:
        """Keep what is going to be done."""
        (self.path / "recipe.toml").write_text(recipe.text)
        if recipe.lock:
            (self.path / "recipe.lock").write_text(recipe.lock.text)
        (self.path / "plan.json").write_text(json.dumps(plan, indent=1) + "\n")

    def event(self, event: Event) -> None:
        """One line of events.jsonl."""
        with (self.path / "events.jsonl").open("a") as stream:
            stream.write(json.dumps({"t": round(time.time(), 3), **dataclasses.asdict(event)}) + "\n")

    def artifact(self, built: Built) -> str:
        """What ships goes to artifacts/; what a target left beside it, to find faults with, goes to debug/."""
        names = (built.artifact.file, *built.artifact.extra_files)
        shipped = {artifacts.MANIFEST, *(Path(name).parts[0] for name in (*names, *built.artifact.contract.files))}
        for source in built.folder.iterdir():
            home = self.path / ("artifacts" if source.name in shipped else "debug") / built.plan.name
            home.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, home / source.name)
            else:
                shutil.copy2(source, home)
        golden.keep(built.comparison.samples, built.comparison.reference, self.golden(built.plan.model.name))
        return f"artifacts/{built.plan.name}/{built.artifact.file}"

    def golden(self, model: str) -> Path:
        """Where a model's first samples are kept."""
        return self.path / "golden" / model

    def measurement(self, result: Result, line: str, device: str) -> str:
        """Keep a result under the next free number of measurements/<line>@<device>/."""
        place = self.path / "measurements" / f"{line}@{device}"
        place.mkdir(parents=True, exist_ok=True)
        file = place / f"{len(list(place.iterdir())):03d}.json"
        file.write_text(dump(result))
        return file.relative_to(self.path).as_posix()

    def finish(self, report: Report) -> Report:
        """Last and at once: a run without report.json is one that was stopped. Answers the report with its place."""
        partial = self.path / f"{REPORT}.partial"
        partial.write_text(report.model_dump_json(by_alias=True, exclude_none=True, indent=1) + "\n")
        partial.replace(self.path / REPORT)
        return self._placed(report)

    def report(self) -> Report:
        """What `finish` wrote, now or with an earlier edgeship; RecipeError when it cannot be read."""
        try:
            return self._placed(Report.model_validate(current(json.loads((self.path / REPORT).read_text()))))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RecipeError(f"{self.path}: its {REPORT} cannot be read ({error})", "run the recipe again") from error

    def _placed(self, report: Report) -> Report:
        return report.model_copy(update={"folder": str(self.path)})


def newest(folder: Path) -> RunFolder:
    """The run directory itself, or the newest finished one below a folder of runs; RecipeError where there is none."""
    if (folder / REPORT).is_file():
        return RunFolder(folder)
    found = sorted(folder.glob(f"*/{REPORT}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise RecipeError(f"{folder}: there is no run", "`edgeship run RECIPE` makes one")
    return RunFolder(found[-1].parent)
