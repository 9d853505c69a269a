"""What is asked of a device: one launch, also of a slow one, which goes on as long as it can afford."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from willing_link import Willing, result_of

from edgeship.toolchain.artifact import Artifact, Runtime, Tensor
from edgeship.toolchain.judge.answers import Answers, ask
from edgeship.toolchain.link import Link
from edgeship.toolchain.protocol.files import JobFiles
from edgeship.toolchain.protocol.messages import Job, Result
from edgeship.toolchain.protocol.run import OutputTensor, Run
from edgeship.toolchain.samples import Samples

X = Tensor(name="x", dtype="float32", shape=("n",))
ARTIFACT = Artifact(
    format="onnx", file="model.onnx", spec="float32", runtime=Runtime(name="onnxruntime", minimum_version="0"),
    inputs=(X,), outputs=(X.model_copy(update={"name": "y"}),), size_bytes=1, sha256="0" * 64, dtypes={},
)  # fmt: skip
SAMPLES = Samples({"x": np.arange(100, dtype=np.float32)[:, None]})
LARGER = Samples({"x": np.array([[7, 8, 9]], np.float32)})


class Echo(Willing):
    """Answers each case with itself; where it is `slow` the time is over at once."""

    def __init__(self, slow: bool) -> None:
        self.slow = slow
        self.cases: list[int] = []
        """How many each launch was given."""

    def is_slow(self, artifact: Artifact) -> bool:
        return self.slow

    def execute(self, job: Job, files: JobFiles) -> Result:
        self.cases.append(len(job.cases))
        stop = job.config.measure
        done = job.cases[: stop.min_iters] if stop.max_ns else job.cases
        outputs, offset = [], 0
        assert job.capture is not None
        with (files.folder / job.capture).open("wb") as stream:
            for [case] in done:
                array = np.fromfile(files.folder / case.path, np.float32, case.shape[0], offset=case.offset)
                outputs.append([OutputTensor(name="y", dtype="float32", shape=case.shape, offset=offset)])
                offset += stream.write(array.tobytes())
        return result_of(job, Run(outputs=outputs))


def answers(link: Link, folder: Path, resized: Samples | None) -> Answers:
    (folder / "model.onnx").write_bytes(b"1")
    return ask(ARTIFACT, folder, link, SAMPLES, count=100, few=2, resized=resized)


@pytest.mark.parametrize(("slow", "given", "answered"), [(False, 101, 100), (True, 65, 2)])
def test_one_launch_runs_the_samples_and_the_one_of_another_size(
    slow: bool, given: int, answered: int, tmp_path: Path
) -> None:
    link = Echo(slow)
    found = answers(link, tmp_path, LARGER)
    assert link.cases == [given]
    np.testing.assert_array_equal(found.outputs["y"], SAMPLES.inputs["x"][:answered])
    assert found.resized is not None
    np.testing.assert_array_equal(found.resized["y"], LARGER.inputs["x"])


def test_a_slow_device_is_launched_once(tmp_path: Path) -> None:
    link = Echo(slow=True)
    assert answers(link, tmp_path, None).count == 2
    assert link.cases == [64]
