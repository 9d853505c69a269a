"""The history of measurements: made once per conditions, appended, never overwritten, failures never kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from willing_link import Willing, result_of

from edgeship.toolchain.artifact import Artifact, Runtime, Tensor
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.errors import DeviceError
from edgeship.toolchain.link import Link
from edgeship.toolchain.measure.bench import Protocol, Subject
from edgeship.toolchain.measure.history import Session, thinned
from edgeship.toolchain.protocol.files import JobFiles
from edgeship.toolchain.protocol.messages import Job, Result
from edgeship.toolchain.protocol.run import Run
from edgeship.toolchain.report.folder import RunFolder
from edgeship.toolchain.samples import Samples

PROTOCOL = Protocol(launches=2, seconds=0.1)


class Timer(Willing):
    """Answers samples that grow from launch to launch, or fails; counts its timed launches."""

    launches: ClassVar[int] = 0
    broken: ClassVar[bool] = False

    def __init__(self, temperature: int = 20) -> None:
        self.temperature = temperature

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        return {"temperature": self.temperature}

    def execute(self, job: Job, files: JobFiles) -> Result:
        if self.broken:
            raise DeviceError("the cable is loose")
        if job.config.mode == "latency":
            Timer.launches += 1
        return result_of(job, Run(samples=[1000 + Timer.launches] * 300))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    Timer.launches, Timer.broken = 0, False
    return Store(tmp_path / "store")


def subject(name: str = "a", sha256: str = "0" * 64, threads: int = 1) -> Subject:
    tensor = Tensor(name="x", dtype="float32", shape=(1,))
    artifact = Artifact(
        format="onnx", file="model.onnx", spec="float32", runtime=Runtime(name="onnxruntime", minimum_version="0"),
        inputs=(tensor,), outputs=(), size_bytes=1, sha256=sha256, dtypes={},
    )  # fmt: skip
    return Subject(name, artifact, Path(), Samples({"x": np.ones((1, 1), np.float32)}), threads)


def measured(session: Session, *subjects: Subject) -> dict[str, Result | str]:
    return session.results(subjects or (subject(),), lambda name, launch: None)


def test_what_was_measured_under_these_conditions_is_not_measured_again(store: Store) -> None:
    first = measured(Session(store, Timer(), PROTOCOL))
    assert Timer.launches == 2
    assert measured(Session(store, Timer(), PROTOCOL)) == first
    assert Timer.launches == 2
    both = measured(Session(store, Timer(), PROTOCOL), subject(), subject("b", "1" * 64))
    assert Timer.launches == 4  # only the new one
    assert both["a"] == first["a"]


@pytest.mark.parametrize(
    ("device", "protocol", "other"),
    [
        (Timer(temperature=60), PROTOCOL, subject()),
        (Timer(), Protocol(launches=1), subject()),
        (Timer(), PROTOCOL, subject(threads=2)),
        (Timer(), PROTOCOL, subject(sha256="1" * 64)),
    ],
    ids=["device", "protocol", "threads", "file"],
)
def test_other_conditions_are_another_measurement(
    store: Store, device: Link, protocol: Protocol, other: Subject
) -> None:
    measured(Session(store, Timer(), PROTOCOL))
    before = Timer.launches
    measured(Session(store, device, protocol), other)
    assert Timer.launches > before


def test_measuring_again_appends_and_the_latest_is_shown(store: Store) -> None:
    first = measured(Session(store, Timer(), PROTOCOL))["a"]
    second = measured(Session(store, Timer(), PROTOCOL, again=True))["a"]
    assert isinstance(first, Result)
    assert isinstance(second, Result)
    assert second.id != first.id
    assert measured(Session(store, Timer(), PROTOCOL))["a"] == second
    kept = [entry for entry in store.entries() if entry.kind == "measurement"]
    assert len(kept) == 2
    latest = next(entry for entry in kept if second.id in (entry.folder / "result.json").read_text())
    store.remove(latest)
    assert measured(Session(store, Timer(), PROTOCOL))["a"] == first  # what is left of the history
    assert Timer.launches == 4


def test_a_failure_is_told_and_tried_again(store: Store) -> None:
    Timer.broken = True
    assert measured(Session(store, Timer(), PROTOCOL)) == {"a": "the cable is loose"}
    Timer.broken = False
    assert isinstance(measured(Session(store, Timer(), PROTOCOL))["a"], Result)


def test_a_read_only_store_measures_and_keeps_nothing(store: Store) -> None:
    store.read_only = True
    assert isinstance(measured(Session(store, Timer(), PROTOCOL))["a"], Result)
    assert store.entries() == []


def test_results_are_numbered_in_the_run_folder_and_thinned_for_drawing(store: Store, tmp_path: Path) -> None:
    result = measured(Session(store, Timer(), PROTOCOL))["a"]
    assert isinstance(result, Result)
    folder = RunFolder(tmp_path)
    files = [folder.measurement(result, "a", "local") for _ in range(2)]
    assert files == ["measurements/a@local/000.json", "measurements/a@local/001.json"]
    assert json.loads((tmp_path / files[0]).read_text())["id"] == result.id
    assert len(thinned(result)) == 400
    assert set(thinned(result)) == {1001.0, 1002.0}
