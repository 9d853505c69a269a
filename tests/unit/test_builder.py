"""The builder: every program once, every line by itself, and where a line stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from edgeship.toolchain.artifact import Artifact, Runtime, digest, size_bytes
from edgeship.toolchain.build.builder import Builder
from edgeship.toolchain.build.executor import Slots
from edgeship.toolchain.build.lines import Built, Event, Stopped
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.errors import EdgeshipError, UnsupportedError
from edgeship.toolchain.plugin import Context, Need, ProgramPass, Target
from edgeship.toolchain.quant import FLOAT32
from edgeship.toolchain.recipe.plan import Model, Plan, Recipe, Step
from edgeship.toolchain.recipe.read import from_tables
from edgeship.toolchain.samples import load_samples

if TYPE_CHECKING:
    from torch.export import ExportedProgram

NET = """
import torch

def build():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh())
"""


class Copies(Target):
    """Writes how many nodes a program has."""

    format: ClassVar[str] = "copy"

    says: str = ""

    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        file = out / "model.copy"
        file.write_text(str(len(program.graph.nodes)))
        context.warn("only a copy")
        inputs, outputs = context.signature.inputs, context.signature.outputs
        runtime = Runtime(name="none", minimum_version="0")
        return Artifact(
            format="copy", file=file.name, spec=str(context.spec), runtime=runtime, inputs=inputs, outputs=outputs,
            size_bytes=size_bytes(file), sha256=digest(file), dtypes={},
        )  # fmt: skip


class Refuses(Copies):
    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        raise UnsupportedError("no such operator", "use another")


class Stumbles(Copies):
    def export(self, program: ExportedProgram, out: Path, context: Context) -> Artifact:
        raise KeyError("tanh")


class Doubles(ProgramPass):
    """Doubles the first weight, and warns."""

    needs: ClassVar[frozenset[Need]] = frozenset()

    factor: float = 2.0

    def apply(self, program: ExportedProgram, context: Context) -> ExportedProgram:
        context.warn("doubled")
        next(iter(program.state_dict.values())).data.mul_(self.factor)
        return program


class InProcess:
    """Runs stages one after the other in this process and remembers them by their class."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self._turn = threading.Lock()

    def submit(self, stage: Stage, report: Report) -> Future[str]:
        self.ran.append(type(stage).__name__)
        future: Future[str] = Future()
        try:
            with self._turn:  # as a worker does
                future.set_result(stage.run(report))
        except Exception as error:
            future.set_exception(error)
        return future

    def prepare(self, stage: Stage, report: Report) -> None: ...

    def peak_bytes(self) -> dict[str, int]:
        return {}

    def close(self) -> None: ...


@pytest.fixture
def model(tmp_path: Path) -> Model:
    (tmp_path / "net.py").write_text(NET)
    table = {"factory": f"{tmp_path}/net.py:build", "inputs": [{"name": "x", "shape": [1, 4]}]}
    return from_tables({"model": table, "targets": {"onnx": {}}}, tmp_path, "test", "net").models[0]


@pytest.fixture
def build(tmp_path: Path, model: Model) -> Callable[..., tuple[list[Built | Stopped], InProcess, list[Event]]]:
    base = from_tables(
        {"model": model.source.model_dump(mode="json"), "targets": {"onnx": {}}}, tmp_path, "test", "net"
    )

    def run(*plans: Plan) -> tuple[list[Built | Stopped], InProcess, list[Event]]:
        recipe = Recipe(**{**vars(base), "plans": plans})
        executor, events = InProcess(), list[Event]()
        builder = Builder(recipe, Store(tmp_path / "store"), executor, Slots(1, PLENTY), events.append)
        lines = {line.plan.name: line for line in builder.build()}
        return [lines[plan.name] for plan in plans], executor, events

    return run


def plan(model: Model, target: Target, *steps: Step, name: str = "copy") -> Plan:
    variant = "doubled" if steps else "float"
    return Plan(model, variant, steps, name, target, None)


PLENTY = 10**12
DOUBLED = Step("double", Doubles(), FLOAT32)
Build = Callable[..., tuple[list[Built | Stopped], InProcess, list[Event]]]


def test_lines_share_their_programs_and_a_second_run_makes_nothing(build: Build, model: Model) -> None:
    plans = [
        plan(model, Copies()),
        plan(model, Copies(says="other"), name="other"),
        plan(model, Copies(), DOUBLED),
    ]
    lines, executor, _ = build(*plans)
    assert [line for line in lines if isinstance(line, Stopped)] == []
    counts = {name: executor.ran.count(name) for name in set(executor.ran)}
    # outputs: the model's on all samples and on the first, the doubled one's on the first; each program's floor once
    assert counts == {
        "BuildModel": 1, "ApplyPass": 1, "BuildArtifact": 3, "ReadData": 1, "RunProgram": 3, "MeasureFloor": 2,
    }  # fmt: skip
    again, executor, _ = build(*plans)
    assert executor.ran == []
    for first, second in zip(lines, again, strict=True):
        assert isinstance(first, Built)
        assert isinstance(second, Built)
        assert (first.artifact, first.comparison, first.warnings) == (
            second.artifact, second.comparison, second.warnings
        )  # fmt: skip


def test_a_line_carries_warnings_files_and_where_it_came_from(build: Build, model: Model) -> None:
    (line,), _, events = build(plan(model, Copies(), DOUBLED))
    assert isinstance(line, Built)
    assert line.warnings[-2:] == ("doubled", "only a copy")
    assert {"doubled", "only a copy"} <= {event.text for event in events if event.kind == "warning"}
    reference, expected = (load_samples(path) for path in (line.comparison.reference, line.comparison.expected))
    (name,) = reference.inputs
    assert not np.allclose(reference.inputs[name][:2], expected.inputs[name][:2])  # the float model's, the program's
    assert line.comparison.resized is None
    assert line.comparison.stream is None
    provenance = line.artifact.provenance
    assert provenance is not None
    assert len(provenance.model) == 64
    assert [(use.name, use.options) for use in provenance.passes] == [("double", {"factor": 2.0})]
    assert provenance.libraries["torch"]


@pytest.mark.parametrize(
    ("target", "status", "reason"),
    [(Refuses(), "unsupported", "no such operator"), (Stumbles(), "failed", "KeyError: 'tanh'")],
)
def test_a_line_that_stops_says_where_and_the_others_go_on(
    build: Build, model: Model, target: Target, status: str, reason: str
) -> None:
    (bad, good), _, events = build(plan(model, target, name="bad"), plan(model, Copies()))
    assert isinstance(good, Built)
    assert isinstance(bad, Stopped)
    assert (bad.status, bad.stage, bad.reason) == (status, "bad", reason)
    said = [(e.kind, e.text) for e in events if e.line == bad.plan.name and e.kind not in ("progress", "ended")]
    assert said == [(status, reason)]


def test_a_failure_is_tried_again_by_the_next_run(build: Build, model: Model) -> None:
    bad = plan(model, Stumbles())
    assert isinstance(build(bad)[0][0], Stopped)
    assert build(bad)[1].ran == ["BuildArtifact"]


def test_a_model_that_cannot_be_made_stops_all_its_lines_at_the_model(
    build: Build, model: Model, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text("def build():\n    raise ValueError('no weights')\n")
    lines, executor, _ = build(plan(model, Copies()), plan(model, Copies(), DOUBLED))
    for line in lines:
        assert isinstance(line, Stopped)
        assert line.stage == "model"
        assert "no weights" in line.reason
    assert executor.ran.count("BuildModel") == 1


def test_a_program_that_computes_something_else_than_the_model_is_not_built_on(
    build: Build, model: Model, tmp_path: Path
) -> None:
    other = "class Other(torch.nn.Module):\n"
    other += "    def forward(self, x):\n        return x if torch.compiler.is_exporting() else x + 0.01\n"
    (tmp_path / "net.py").write_text(
        NET.replace("\ndef build", f"\n{other}\ndef build").replace("Tanh()", "Tanh(), Other()")
    )
    ((line,), _, _) = build(plan(model, Copies()))
    assert isinstance(line, Stopped)
    assert line.stage == "model"
    assert "the exported program does not compute what the model does: output 'output' lies " in line.reason


def test_an_edit_of_the_users_model_makes_it_again_and_of_its_comments_only_the_model(
    build: Build, model: Model, tmp_path: Path
) -> None:
    line = plan(model, Copies(), DOUBLED)
    build(line)
    (tmp_path / "net.py").write_text(NET + "\n# a comment\n")
    assert build(line)[1].ran == ["BuildModel"]  # its bytes are equal: nothing after it is
    (tmp_path / "net.py").write_text(NET.replace("seed(0)", "seed(1)"))
    assert set(build(line)[1].ran) == {"BuildModel", "ApplyPass", "BuildArtifact", "RunProgram", "MeasureFloor"}


def test_programs_are_open_to_who_analyses_them(model: Model, tmp_path: Path) -> None:
    import torch

    recipe = from_tables(
        {"model": model.source.model_dump(mode="json"), "targets": {"onnx": {}}}, tmp_path, "test", "net"
    )
    builder = Builder(recipe, Store(tmp_path / "store"), InProcess(), Slots(1, PLENTY), lambda event: None)
    plain, doubled = builder.program(model), builder.program(model, [DOUBLED])
    x = torch.ones(1, 4)
    assert not torch.equal(plain.open().module()(x)[0], doubled.open().module()(x)[0])
    context = doubled.context(frozenset(), tmp_path, lambda text: None, lambda kind, text: None)
    assert context.spec == FLOAT32
    assert context.signature.inputs[0].name == "x"
    assert context.teacher is not None
    assert torch.equal(context.teacher()(x)[0], plain.open().module()(x)[0])
    Store(tmp_path / "store").remove(doubled.entry)
    with pytest.raises(EdgeshipError, match="gone from the cache"):
        doubled.open()
