"""Jobs and results: golden files every language parses and re-emits, schemas, numbers in and out of stored types."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from pydantic import ValidationError

from edgeship.toolchain.artifact import Artifact, Quantization, Runtime, Tensor, digest
from edgeship.toolchain.errors import DataError, LineError
from edgeship.toolchain.protocol import schema as protocol
from edgeship.toolchain.protocol.jobs import Load, make_job, read_outputs
from edgeship.toolchain.protocol.messages import Config, Job, Result, dump

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "protocol"
MESSAGES = sorted(GOLDEN.glob("job-*.json")) + sorted(GOLDEN.glob("result-*.json"))


def schema_of(path: Path) -> dict[str, object]:
    kind = path.name.split("-")[0]
    return json.loads((ROOT / "apps" / "protocol" / f"bench-{kind}-1.schema.json").read_text())


@pytest.mark.parametrize("path", MESSAGES, ids=lambda path: path.stem)
def test_a_golden_message_is_valid_and_comes_back_as_it_was(path: Path) -> None:
    message = json.loads(path.read_text())
    jsonschema.Draft202012Validator(schema_of(path)).validate(message)
    model = Job if path.name.startswith("job") else Result
    assert json.loads(dump(model.model_validate(message))) == message


def test_the_published_schemas_are_what_the_code_generates() -> None:
    for name, text in protocol.schemas().items():
        published = (ROOT / "apps" / "protocol" / name).read_text()
        assert published == text, "run `make docs`"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("runs", 0, "samples"), [1.5]),
        (("runs", 0, "samples"), [2**53]),
        (("runs", 0, "memory", "peak"), {"max_rss": 1}),
        (("validity", "flags"), ["GREMLINS"]),
        (("artifact", "sha256"), "abc"),
        (("runtime", "name"), "Tensor RT"),
        (("transport",), None),
        (("device", "serial"), "R58M123"),
        (("runs",), []),
    ],
    ids=lambda part: str(part)[:40],
)
def test_schema_and_model_refuse_the_same_messages(place: tuple[str | int, ...], value: object) -> None:
    message = json.loads((GOLDEN / "result-latency.json").read_text())
    part = message
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    assert list(jsonschema.Draft202012Validator(schema_of(GOLDEN / "result-latency.json")).iter_errors(message))
    if value is not None:  # the model reads null as absent
        with pytest.raises(ValidationError):
            Result.model_validate(message)


@pytest.mark.parametrize("case", json.loads((GOLDEN / "warmup.json").read_text()), ids=lambda case: case["name"])
def test_the_warm_up_stops_where_the_golden_series_says(case: dict[str, object]) -> None:
    warm_up = runpy.run_path(str(ROOT / "apps/agents/python/agent.py"))["warm_up"]
    samples = iter(case["samples"])
    taken, why = warm_up(lambda: next(samples), case["stop"])
    assert (len(taken), why) == (case["iterations"], case["warmup_stop"])


VERIFY = Config(mode="verify")


def artifact(inputs: list[Tensor], outputs: list[Tensor]) -> Artifact:
    return Artifact(
        format="litert",
        file="m.tflite",
        spec="w8a8-static",
        runtime=Runtime(name="litert", minimum_version="2.3"),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        size_bytes=1,
        sha256="0" * 64,
        dtypes={},
    )


def test_floats_are_quantized_into_what_the_artifact_stores_and_back(tmp_path: Path) -> None:
    scale = Quantization(scale=0.5, zero_point=-3)
    quantized = artifact(
        [Tensor(name="x", dtype="int8", shape=(1, 4), quantization=scale)],
        [Tensor(name="y", dtype="int8", shape=(1, 4), quantization=scale)],
    )
    row = {"x": np.array([[0.0, 1.0, -0.74, 1000.0]], np.float32)}
    job, _ = make_job(Load(quantized, tmp_path, [row]), VERIFY, tmp_path)
    stored = np.fromfile(tmp_path / job.cases[0][0].path, np.int8)
    assert job.cases[0][0].dtype == "int8"
    assert stored.tolist() == [-3, -1, -4, 127]

    (tmp_path / (job.capture or "")).write_bytes(stored.tobytes())
    message = json.loads((GOLDEN / "result-error.json").read_text())
    message["runs"] = [{"index": 0, "outputs": [[{"name": "y", "dtype": "int8", "shape": [1, 4], "offset": 0}]]}]
    (answer,) = read_outputs(Result.model_validate(message), job, tmp_path, quantized)
    assert answer["y"].dtype == np.float32
    assert answer["y"].tolist() == [[0.0, 1.0, -0.5, 65.0]]


def test_integers_are_cast_to_the_stored_type_unless_they_do_not_fit(tmp_path: Path) -> None:
    tokens = artifact([Tensor(name="ids", dtype="int32", shape=(1, 2))], [])
    job, _ = make_job(Load(tokens, tmp_path, [{"ids": np.array([[1, 2]])}]), VERIFY, tmp_path)
    assert (tmp_path / job.cases[0][0].path).stat().st_size == 8
    with pytest.raises(DataError, match="4294967296 do not fit into int32"):
        make_job(Load(tokens, tmp_path, [{"ids": np.array([[1, 2**32]])}]), VERIFY, tmp_path)


def test_a_row_must_name_the_models_inputs_and_state_may_follow_from_the_first(tmp_path: Path) -> None:
    model = artifact(
        [Tensor(name="frame", dtype="float32", shape=(2,)), Tensor(name="state", dtype="float32", shape=(3,))],
        [Tensor(name="out", dtype="float32", shape=(2,)), Tensor(name="next", dtype="float32", shape=(3,))],
    )
    frame, state = np.ones(2, np.float32), np.zeros(3, np.float32)
    with pytest.raises(DataError, match="sample 0 has inputs frame; the model takes frame, state"):
        make_job(Load(model, tmp_path, [{"frame": frame}]), VERIFY, tmp_path)
    rows = [{"state": state, "frame": frame}, {"frame": frame}]
    job, _ = make_job(Load(model, tmp_path, rows, {"next": "state"}), VERIFY, tmp_path)
    with pytest.raises(LineError, match="output 'nxt' to input 'state'"):
        make_job(Load(model, tmp_path, rows, {"nxt": "state"}), VERIFY, tmp_path)
    assert [[tensor.name for tensor in case] for case in job.cases] == [["frame", "state"]] * 2
    assert job.outputs == ["out", "next"]


def test_state_that_changes_its_scale_on_the_way_is_refused(tmp_path: Path) -> None:
    out, back = Quantization(scale=0.5, zero_point=0), Quantization(scale=0.25, zero_point=0)
    model = artifact(
        [Tensor(name="state", dtype="int8", shape=(1,), quantization=back)],
        [Tensor(name="next", dtype="int8", shape=(1,), quantization=out)],
    )
    with pytest.raises(LineError, match="state 'state' leaves as int8"):
        make_job(Load(model, tmp_path, [{"state": np.zeros(1)}], {"next": "state"}), VERIFY, tmp_path)


def test_a_jobs_files_have_the_same_places_on_every_device_and_new_places_for_new_contents(tmp_path: Path) -> None:
    def places(name: str, value: float, weights: bytes) -> tuple[list[str], Job]:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "m.onnx").write_bytes(b"graph")
        (folder / "m.onnx.data").write_bytes(weights)
        model = artifact([Tensor(name="x", dtype="float32", shape=(1,))], []).model_copy(
            update={"file": "m.onnx", "extra_files": ("m.onnx.data",), "sha256": digest(folder / "m.onnx")}
        )
        job, files = make_job(Load(model, folder, [{"x": np.full(1, value, np.float32)}]), VERIFY, folder)
        assert [file.path for file in job.files] == list(files.sources)
        assert [file.sha256 for file in job.files] == [digest(source) for source in files.sources.values()]
        return [file.path for file in job.files], job

    first, job = places("one", 1, b"weights")
    assert job.artifact.path == first[0]
    assert job.cases[0][0].path == first[2]
    assert Path(first[0]).parent == Path(first[1]).parent, "external weights lie beside their graph"
    assert not any(Path(path).is_absolute() or ".." in path for path in first)
    assert places("two", 1, b"weights")[0] == first
    assert places("three", 2, b"weights")[0][:2] == first[:2]
    assert places("four", 1, b"others")[0][:2] != first[:2]
