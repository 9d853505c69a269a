"""Jobs for the Kotlin agent, and what Python's agent answered to them: digits in every mode, and a model with state."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from jobs import laid_out

from edgeship.toolchain.artifact import Artifact, Runtime, Tensor, digest, size_bytes
from edgeship.toolchain.protocol.jobs import Load
from edgeship.toolchain.protocol.messages import Config, Job, Mode, Stop

ROOT = Path(__file__).resolve().parent.parent
SECOND_NS = 1_000_000_000
BRIEF = Stop(min_iters=20, min_ns=SECOND_NS // 10, max_ns=SECOND_NS)
CONFIGS: dict[Mode, Config] = {
    "verify": Config(mode="verify"),
    "latency": Config(mode="latency", warmup=BRIEF.model_copy(update={"adaptive": True}), measure=BRIEF),
    "throughput": Config(mode="throughput", measure=BRIEF),
    "sustained": Config(
        mode="sustained", measure=Stop(max_ns=SECOND_NS // 2), interval_ns=SECOND_NS // 10, concurrency=2
    ),
    "cold": Config(mode="cold"),
    "memory": Config(mode="memory"),
    "rounds": Config(mode="rounds", measure=Stop(max_iters=3)),
    "profile": Config(mode="profile", measure=Stop(min_iters=1)),
}
CASES = 8


def write(folder: Path, artifact_folder: Path, samples: np.ndarray) -> None:
    """`samples` are digits in the model's shape; a job of each mode as MODE.json, and what must come out."""
    folder.mkdir()
    artifact = Artifact.model_validate_json((artifact_folder / "artifact.json").read_text())
    load = Load(artifact, artifact_folder, [{"image": row} for row in samples[:CASES]])
    for mode, config in CONFIGS.items():
        _save(laid_out(load, folder, config, capture=mode == "verify"), folder / f"{mode}.json", "outputs.bin")
    broken = laid_out(load, folder, CONFIGS["latency"], capture=False)
    broken.artifact.path = broken.cases[0][0].path
    broken.save(folder / "broken.json")
    stateful = Load(sum_model(folder), folder, [{"x": _row(1), "state": _row(0)}, {"x": _row(2)}], {"total": "state"})
    _save(laid_out(stateful, folder), folder / "feedback.json", "outputs-feedback.bin")
    for name, captured in (("verify", "outputs.bin"), ("feedback", "outputs-feedback.bin")):
        _answer(folder / f"{name}.json")
        (folder / captured).rename(folder / captured.replace("outputs", "expected"))


def _row(value: float) -> np.ndarray:
    return np.full((1, 4), value, np.float32)


def _save(job: Job, file: Path, capture: str) -> None:
    job.capture = job.capture and capture
    job.save(file)


def _answer(job: Path) -> None:
    """By the Python agent; its capture lies beside the job."""
    agent, result = ROOT / "apps/agents/python/agent.py", job.with_name("python-result.json")
    subprocess.run([sys.executable, "-I", str(agent), str(job), str(result)], check=True)
    assert "error" not in json.loads(result.read_text())["runs"][0]


def sum_model(folder: Path) -> Artifact:
    """total = x + state, an ONNX file."""
    from onnx import TensorProto, helper, save

    shape = [1, 4]
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("x", "state")]
    total = helper.make_tensor_value_info("total", TensorProto.FLOAT, shape)
    graph = helper.make_graph([helper.make_node("Add", ["x", "state"], ["total"])], "sum", inputs, [total])
    file = folder / "sum.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), file)
    tensors = [Tensor(name=name, dtype="float32", shape=(1, 4)) for name in ("x", "state", "total")]
    return Artifact(
        format="onnx", file=file.name, spec="float32", runtime=Runtime(name="onnxruntime", minimum_version="1.17"),
        inputs=tuple(tensors[:2]), outputs=tuple(tensors[2:]),
        size_bytes=size_bytes(file), sha256=digest(file), dtypes={},
    )  # fmt: skip
