"""Transposed convolutions in a .tflite file: integers where the program is quantized, float where a part says so."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from quantize_context import answers, program_of, sqnr_db
from torch import nn

from edgeship.targets.litert.inspect import dtype_name, operator_name, read_model
from edgeship.targets.litert.target import LiteRT
from edgeship.targets.litert.transposed import integers_of
from edgeship.targets.litert.upstream import answers as runtime_answers
from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, Samples
from edgeship.toolchain.passes.quantize import QuantizeStatic

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("kept", [(), (("2", "float32"),)], ids=["all quantized", "one left float"])
def test_a_quantized_transposed_convolution_computes_in_integers(kept, tmp_path: Path):
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, 1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 2, 2),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 4, 4, 2, 1),
    )
    rows = np.random.default_rng(0).normal(size=(16, 1, 3, 8, 8)).astype(np.float32)
    program, context, _ = program_of(net.eval(), (torch.from_numpy(rows[0]),), Samples({"image": rows}), ("image",))
    quantized = QuantizeStatic(ranges="min-max", parts=kept).apply(program, context)
    spec = replace(W8A8_STATIC, parts=tuple((name, FLOAT32) for name, _ in kept))
    LiteRT().export(quantized, tmp_path, replace(context, spec=spec))
    model = read_model(tmp_path / "model.tflite")
    graph = model.subgraphs[0]
    found = [
        dtype_name(graph.tensors[operator.outputs[0]])
        for operator in graph.operators
        if operator_name(model, operator) == "TRANSPOSE_CONV"
    ]
    assert found == (["float32", "int8"] if kept else ["int8", "int8"])
    if not kept:
        held = [tensor for tensor in graph.tensors if model.buffers[tensor.buffer].data is not None]
        assert "float32" not in map(dtype_name, held)
    content = (tmp_path / "model.tflite").read_bytes()
    given = [next(iter(runtime_answers(content, {"image": row}).values())) for row in rows]
    expected = answers(quantized, Samples({"image": rows}))
    assert sqnr_db(expected, torch.from_numpy(np.concatenate(given))) > 45
    assert expected.abs().max() > 0.3


def test_only_integers_times_a_scale_per_channel_are_taken_for_quantized():
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 5)).astype(np.float32)
    assert integers_of(weights) is None
    scales = np.abs(weights).reshape(4, -1).max(1) / 127
    rounded = (np.rint(weights / scales[:, None, None, None]) * scales[:, None, None, None]).astype(np.float32)
    found = integers_of(rounded)
    assert found is not None
    np.testing.assert_allclose(found[0] * found[1][:, None, None, None], rounded, rtol=1e-5)
