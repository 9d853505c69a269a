"""Models of other kinds than one picture in, one tensor out: built for three runtimes, names kept, really executed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from workplace import PROJECT

from edgeship.toolchain.build import builder as pipeline
from edgeship.toolchain.build.lines import Built
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands import run as runs
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.judge import verdict as verify
from edgeship.toolchain.judge.line import case_of
from edgeship.toolchain.recipe import read as recipes

TARGETS = "[targets.onnx]\n[targets.executorch]\n[targets.litert]\n"
STREAM = """
name = "stream"
[model]
factory = "./model.py:streaming"
inputs = [{ name = "frame", shape = [1, 8] }, { name = "state", shape = [1, 16] }]
outputs = ["out", "next_state"]
state = { next_state = "state" }
[calibration]
source = "python"
function = "./data.py:frames"
"""
TOKENS = """
name = "tokens"
[model]
factory = "./model.py:tokens"
inputs = [
  { name = "input_ids", shape = [1, "seq"], dtype = "int64", keyword = true },
  { name = "attention_mask", shape = [1, "seq"], dtype = "int64", keyword = true },
]
dims = { seq = [2, 32] }
[calibration]
source = "python"
function = "./data.py:sentences"
"""
PICTURES = """
name = "pictures"
[models.small]
factory = "./model.py:build"
inputs = [{ name = "image", shape = ["batch", 3, 16, 16] }]
dims = { batch = [1, 8] }
[models.leaky]
factory = "./model.py:leaky"
inputs = [{ name = "image", shape = ["batch", 3, 16, 16] }]
outputs = ["scores"]
dims = { batch = [1, 8] }
[calibration]
source = "python"
function = "./data.py:images"
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("cache"))


def built(
    text: str, store: Store, tmp_path: Path, targets: str = TARGETS
) -> tuple[runs.Outcome, recipes.Recipe, list[Built]]:
    """A run of a recipe whose lines pass or are unsupported for a reason, and those that pass out of the cache."""
    recipe = recipes.parse(text + targets, PROJECT)
    outcome = runs.run_into(tmp_path, recipe, runs.Options(measure=False), lambda event: None, store)
    for line in outcome.report.lines:
        assert line.verdict == "pass" or (line.status == "unsupported" and line.reason), line
    with pipeline.builder(recipe, store, tmp_path / "log.txt", lambda event: None) as builder:
        return outcome, recipe, [line for line in builder.build() if isinstance(line, Built)]


def judged(line: Built, case: verify.Case) -> verify.Verdict:
    with Local().open() as link:
        return verify.judge(line.artifact, line.folder, link, case)


def test_state_that_goes_in_and_comes_out_is_verified_as_a_stream(store: Store, tmp_path: Path) -> None:
    _, recipe, lines = built(STREAM, store, tmp_path)
    for line in lines:
        assert [tensor.name for tensor in line.artifact.inputs] == ["frame", "state"]
        assert [tensor.name for tensor in line.artifact.outputs] == ["out", "next_state"]
        case = case_of(line, recipe)
        assert case.stream is not None
        assert np.abs(case.stream.expected["out"][1:] - case.expected["out"][1:]).max() > 0.05  # the state matters
        assert judged(line, case).verdict == "pass"
        forgetful = judged(line, dataclasses.replace(case, stream=dataclasses.replace(case.stream, feedback={})))
        assert forgetful.verdict == "fail"
        assert any("as a stream" in reason for reason in forgetful.reasons), forgetful.reasons


def test_keyword_tokens_and_named_outputs_keep_their_names_at_every_length(store: Store, tmp_path: Path) -> None:
    _, recipe, lines = built(TOKENS, store, tmp_path)
    fixed = TOKENS.replace('"seq"]', "12]").replace("dims = { seq = [2, 32] }", "")
    lines += built(fixed, store, tmp_path / "fixed", "[targets.litert]")[2]  # which cannot keep this dimension
    assert {line.plan.target_name for line in lines} == {"onnx", "executorch", "litert"}
    for line in lines:
        assert [tensor.name for tensor in line.artifact.inputs] == ["input_ids", "attention_mask"]
        assert [tensor.name for tensor in line.artifact.outputs] == ["pooled", "peak"]
        assert {tensor.dtype for tensor in line.artifact.inputs} <= {"int64", "int32"}
        case = case_of(line, recipe)
        if "seq" in line.artifact.inputs[0].shape:
            assert case.resized is not None
            assert case.resized[0].inputs["input_ids"].shape != case.samples.inputs["input_ids"][:1].shape
            wrong = {name: array * 1.05 for name, array in case.resized[1].items()}
            verdict = judged(line, dataclasses.replace(case, resized=(case.resized[0], wrong)))
            assert any("at another size" in reason for reason in verdict.reasons), verdict.reasons


@pytest.mark.slow
def test_several_models_are_compared_in_one_recipe(store: Store, tmp_path: Path) -> None:
    outcome, _, lines = built(PICTURES, store, tmp_path)
    assert [model.name for model in outcome.report.models] == ["small", "leaky"]
    assert len(lines) == 6
    assert {line.plan.name for line in lines} >= {"small-float-onnx", "leaky-float-litert"}
    sizes = {(line.model, line.target): line.artifact.size_bytes for line in outcome.report.lines if line.artifact}
    assert len(sizes) == 6
    outputs = {line.plan.model.name: [t.name for t in line.artifact.outputs] for line in lines}
    assert outputs["leaky"] == ["scores"]


@pytest.mark.slow
def test_a_file_with_a_frozen_batch_under_a_dynamic_manifest_is_caught(store: Store, tmp_path: Path) -> None:
    """The check at another size is really executed: the same file passes at batch 1."""
    _, recipe, lines = built(PICTURES, store, tmp_path)
    dynamic = next(line for line in lines if line.plan.name == "small-float-onnx")
    fixed_text = PICTURES.replace('["batch", ', "[1, ").replace("dims = { batch = [1, 8] }", "")
    _, _, fixed_lines = built(fixed_text, store, tmp_path / "fixed")
    fixed = next(line for line in fixed_lines if line.plan.name == "small-float-onnx")
    fixed = dataclasses.replace(fixed, artifact=fixed.artifact.model_copy(update={"inputs": dynamic.artifact.inputs}))
    case = case_of(dynamic, recipe)
    assert judged(fixed, dataclasses.replace(case, resized=None)).verdict == "pass"
    verdict = judged(fixed, case)
    assert verdict.verdict == "fail"
    assert any("at another size" in reason for reason in verdict.reasons), verdict.reasons
