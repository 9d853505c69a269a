"""The verdict on what an artifact answered: output by output, the worst counts, and what is warned of beside it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edgeship.toolchain.artifact import Artifact, ConstantsAudit, Runtime
from edgeship.toolchain.floor import Floor, OutputFloor
from edgeship.toolchain.judge.answers import Answers
from edgeship.toolchain.judge.case import Case
from edgeship.toolchain.judge.task import Task
from edgeship.toolchain.judge.verdict import Verdict, judged
from edgeship.toolchain.metrics.cosine import Cosine
from edgeship.toolchain.metrics.top1 import Top1
from edgeship.toolchain.protocol.messages import Result
from edgeship.toolchain.quant import FLOAT32, W8A8_STATIC
from edgeship.toolchain.samples import Array, Samples

GOLDEN = Path(__file__).parents[1] / "golden" / "protocol"
RANDOM = np.random.default_rng(0)
LABELS = np.arange(200) % 10
LOGITS = (np.eye(10)[LABELS] * 3 + RANDOM.standard_normal((200, 10))).astype(np.float32)[:, None]
TABLE = np.broadcast_to(np.linspace(1, 2, 10, dtype=np.float32), LOGITS.shape)
HEAD = (TABLE * (1 + 1e-8 * LOGITS)).astype(np.float32)

ARTIFACT = Artifact(
    format="onnx", file="m.onnx", spec="float32", runtime=Runtime(name="onnxruntime", minimum_version="1"),
    inputs=(), outputs=(), size_bytes=1, sha256="", dtypes={"float32": 1},
)  # fmt: skip


def verdict(
    answer: dict[str, Array], reference: dict[str, Array], labels: Array | None = None, synthetic: bool = False
) -> Verdict:
    metric = Top1() if labels is not None else Cosine()
    samples = Samples({"x": LOGITS}, labels, synthetic)
    case = Case(FLOAT32, samples, {n: a[:8] for n, a in reference.items()}, reference, task=Task(metric, "score"))
    return judged(ARTIFACT, case, Answers(result(), answer))


def result() -> Result:
    """What an agent says of a launch."""
    document = json.loads(next(GOLDEN.glob("*result*.json")).read_text())
    document["runs"][0].pop("check")  # of another artifact
    return Result.model_validate(document)


def test_living_outputs_pass() -> None:
    found = verdict({"y": LOGITS}, {"y": LOGITS}, LABELS)
    assert (found.verdict, found.reasons, found.warnings) == ("pass", (), ())
    assert found.spread == pytest.approx(1, abs=0.3)


def test_one_output_that_cannot_be_judged_leaves_the_line_open_and_a_wrong_one_fails_it() -> None:
    reference = {"y": LOGITS, "head": HEAD}
    found = verdict(reference, reference)
    assert found.verdict == "unverifiable"
    assert "output 'head' hardly depends on the input" in found.reasons[0]
    assert found.reasons[0].endswith("untrained?")
    assert found.spread is not None
    assert found.spread < 1e-6
    assert verdict({**reference, "y": LOGITS * 1.01}, reference).verdict == "fail"
    assert verdict({**reference, "head": HEAD * 1.01}, reference).verdict == "fail"
    assert verdict({**reference, "head": HEAD * np.nan}, reference).verdict == "fail"


def test_a_constant_table_beside_a_living_output_is_a_note() -> None:
    reference = {"y": LOGITS, "anchors": TABLE}
    found = verdict(reference, reference)
    assert (found.verdict, found.warnings) == ("pass", ("output 'anchors' is the same for every input",))
    assert verdict({**reference, "anchors": TABLE * 1.01}, reference).verdict == "fail"
    assert verdict({"anchors": TABLE}, {"anchors": TABLE}).verdict == "unverifiable"


def test_a_metric_that_cannot_be_told_from_guessing_is_warned_of() -> None:
    permuted = RANDOM.permutation(LABELS)
    found = verdict({"y": LOGITS}, {"y": LOGITS}, permuted)
    assert found.verdict == "pass"
    assert "guessing makes 10.00%: are the labels right" in found.warnings[0]
    assert not verdict({"y": LOGITS}, {"y": LOGITS}, LABELS).warnings


def test_a_slow_runtime_is_compared_with_the_float_model_on_the_samples_it_ran() -> None:
    wrong_later = np.concatenate([LABELS[:64], (LABELS[64:] + 1) % 10])
    found = verdict({"y": LOGITS[:64]}, {"y": LOGITS}, wrong_later).metric
    assert found is not None
    assert (found.samples, found.float_value) == (64, found.artifact)
    assert found.float_value > 0.9


def test_synthetic_inputs_are_told() -> None:
    assert "synthetic inputs" in verdict({"y": LOGITS}, {"y": LOGITS}, synthetic=True).warnings[0]


def test_where_the_program_answers_by_chance_the_line_says_that_only_constants_decide() -> None:
    floor = Floor(outputs={"y": OutputFloor(sqnr_db=9, worst_sample_db=5)}, half=False, runs=8, samples=8)
    case = Case(W8A8_STATIC, Samples({"x": LOGITS}), {"y": LOGITS[:8]}, {"y": LOGITS}, floor=floor)
    int8 = ARTIFACT.model_copy(update={"dtypes": {"int8": 1}, "weight_bytes": {"int8": 1}})
    found = judged(int8, case, Answers(result(), {"y": LOGITS}))
    assert found.verdict == "unverifiable"
    assert "only the file's constants decide" in found.reasons[0]
    assert found.threshold is not None
    assert found.threshold.program_db == 6
    known = int8.model_copy(update={"constants": ConstantsAudit(total=3, accounted=3)})
    found = judged(known, case, Answers(result(), {"y": LOGITS}))
    assert found.verdict == "pass"
    assert any("only the file's constants decide" in warning for warning in found.warnings)
