"""The measuring of a run: every built line on every device, for each number of threads and each batch size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgeship.toolchain.build.lines import Built, Event
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.link import Link
from edgeship.toolchain.measure import bench, history
from edgeship.toolchain.measure import count as counting
from edgeship.toolchain.measure.bench import Protocol, Subject
from edgeship.toolchain.recipe.plan import Recipe
from edgeship.toolchain.report.document import Execution, ReportLine
from edgeship.toolchain.report.folder import Keeper
from edgeship.toolchain.report.rows import measurement, takes_batch
from edgeship.toolchain.samples import load_samples


def protocol(recipe: Recipe, quick: bool) -> Protocol:
    """How long and how often a run measures."""
    return bench.QUICK if quick else Protocol(launches=recipe.bench.launches, seconds=recipe.bench.seconds)


@dataclass(frozen=True)
class Session:
    """One run's measuring; `again` measures what has a measurement under these conditions, too."""

    recipe: Recipe
    links: Mapping[str, Link]
    quick: bool
    again: bool
    store: Store
    keeper: Keeper
    tell: Callable[[Event], None]

    def add(self, built: Sequence[Built], rows: Mapping[str, ReportLine]) -> None:
        """Measure the lines and put what was found into the executions of their rows."""
        for name, link in self.links.items():
            executions = {
                line.plan.name: next(e for e in rows[line.plan.name].executions if e.device == name) for line in built
            }
            if self.recipe.devices[name].counts:
                self._count(link, built, executions)
                continue
            for threads in self.recipe.bench.threads:
                for batch in self.recipe.bench.batch:
                    self._configuration(name, threads, batch, built, executions)

    def _count(self, link: Link, built: Sequence[Built], executions: Mapping[str, Execution]) -> None:
        """What one call of each line executes, batch 1, one thread."""
        for line in built:
            execution = executions[line.plan.name]
            if reason := link.can_execute(line.artifact, "count"):
                execution.not_measured = reason
                continue
            self.tell(Event(line.plan.name, "measuring", f"counting instructions ({execution.device})"))
            samples = load_samples(line.comparison.samples).take(range(1))
            subject = Subject(line.plan.name, line.artifact, line.folder, samples)
            try:
                execution.instructions = counting.count(subject, link, self.store)
            except DeviceError as error:
                execution.not_measured = str(error)

    def _configuration(
        self, name: str, threads: int, batch: int, built: Sequence[Built], executions: Mapping[str, Execution]
    ) -> None:
        """All lines beside each other under one configuration of one device."""
        subjects = []
        for line in built:
            if batch > 1 and not takes_batch(line):
                execution = executions[line.plan.name]
                execution.warnings.append(f"batch {batch} not measured: its batch dimension is fixed")
                continue
            samples = load_samples(line.comparison.samples).take(range(bench.CASES))
            subjects.append(Subject(line.plan.name, line.artifact, line.folder, samples, threads, batch))
        limits = protocol(self.recipe, self.quick)
        conditions = f"{name}, threads {threads}, batch {batch}"

        def on_launch(line: str, index: int) -> None:
            self.tell(Event(line, "measuring", f"launch {index + 1} of {limits.launches} ({conditions})"))

        answers = history.Session(self.store, self.links[name], limits, self.again).results(subjects, on_launch)
        for subject in subjects:
            answer, execution = answers[subject.name], executions[subject.name]
            if isinstance(answer, str):
                execution.not_measured = answer
                continue
            if execution.verdict == "fail":
                history.flag(answer, "OUTPUT_MISMATCH")
            file = self.keeper.measurement(answer, subject.name, name)
            execution.measurements.append(measurement(answer, subject, file))
