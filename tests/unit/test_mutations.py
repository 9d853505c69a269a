"""The benchmark's ways to break a program: each finds a place in one of its networks, and the answers change."""

from __future__ import annotations

import copy
import functools
from typing import Any

import pytest
import torch

from benchmarks.broken_nets import KINDS, build, evaluation
from benchmarks.broken_table import counted, exact_interval
from benchmarks.mutations import MUTATIONS, mutate
from edgeship.toolchain.model.program import flatten

pytestmark = pytest.mark.heavy
INTEGER = ("a zero point off by one", "a scale × 1.02")


@functools.cache
def program(kind: str) -> Any:
    x = torch.from_numpy(evaluation(kind)[:1])
    return torch.export.export(flatten(build(kind, 0), 1), (x,))


@pytest.mark.parametrize("kind", [kind for kind in MUTATIONS if kind not in INTEGER])
def test_a_float_program_of_some_network_answers_otherwise(kind: str) -> None:
    changed = 0
    for net in KINDS:
        x = torch.from_numpy(evaluation(net)[:1])
        broken = copy.deepcopy(program(net).module())  # modules share the program's weights
        if mutate(broken, kind, "0"):
            with torch.no_grad():
                changed += not torch.equal(broken(x)[0], program(net).module()(x)[0])
    assert changed


def test_what_no_converter_took_or_no_output_shows_is_not_counted() -> None:
    rows = {
        "a/float/onnx/sound": {"verdict": "pass"},
        "a/float/onnx/an epsilon": {"skipped": "no output changes"},
        "a/float/onnx/a channel zeroed": {"verdict": "fail"},
        "a/int8/onnx/a channel zeroed": {"verdict": "pass"},
    }
    assert list(counted(rows)) == [
        ("sound", "onnx", True), ("a channel zeroed", "onnx", True), ("a channel zeroed", "onnx", False),
    ]  # fmt: skip
    assert exact_interval(0, 100)[1] == pytest.approx(0.0362, abs=1e-3)
