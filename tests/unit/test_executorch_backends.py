"""A program lowered to a chain of backends: who takes what is in artifact.json, and what is unknown is not zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from quantize_context import program_of
from torch import nn

from edgeship.targets.executorch.inspect import inspect_file
from edgeship.targets.executorch.target import ExecuTorch
from edgeship.toolchain.api import FLOAT16, FLOAT32, W8A8_DYNAMIC, W8A8_STATIC, Samples
from edgeship.toolchain.artifact import Placement, read, write
from edgeship.toolchain.devices.local import LocalLink
from edgeship.toolchain.protocol.messages import ResultRuntime

pytestmark = pytest.mark.heavy


class Maxout(nn.Module):
    """max(x, -x): Vulkan has no maximum, XNNPACK has."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.maximum(x, -x)


def maxout_net():
    """The program and the context of two linear layers, which both backends have, around a maxout."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(16, 32), Maxout(), nn.Linear(32, 8)).eval()
    rows = np.random.default_rng(0).normal(size=(4, 1, 16)).astype(np.float32)
    program, context, _ = program_of(net, (torch.from_numpy(rows[0]),), Samples({"x": rows}), ("x",))
    return program, context


@pytest.mark.slow
def test_a_chain_of_two_backends_is_in_the_placement_with_the_nodes_of_each(tmp_path: Path) -> None:
    program, context = maxout_net()
    target = ExecuTorch(backends=[{"name": "vulkan", "force_fp16": True}, "xnnpack"])
    write(target.export(program, tmp_path, context), tmp_path)
    artifact = read(tmp_path)
    assert artifact.placement is not None
    assert list(artifact.placement.per_backend) == ["vulkan", "xnnpack"]
    assert all(count > 0 for count in artifact.placement.per_backend.values())
    assert (artifact.placement.left, artifact.placement.partitions) == (0, 3)
    assert [(backend.name, backend.options) for backend in artifact.runtime.backends] == [
        ("vulkan", {"force_fp16": True}),
        ("xnnpack", {}),
    ]
    assert set(inspect_file(tmp_path / artifact.file)["backends"]) == {"VulkanBackend", "XnnpackBackend", "portable"}
    # its data are not read: unknown, which is not nothing
    assert (artifact.dtypes, artifact.weight_bytes) == (None, None)
    assert LocalLink().can_execute(artifact) == "the ExecuTorch backend vulkan is not here"


def test_the_order_of_a_chain_decides_who_takes_what_both_can(tmp_path: Path) -> None:
    program, context = maxout_net()
    artifact = ExecuTorch(backends=["xnnpack", "vulkan"]).export(program, tmp_path, context)
    assert artifact.placement is not None
    assert artifact.placement.per_backend == {"xnnpack": artifact.placement.taken, "vulkan": 0}


def test_a_chain_carries_what_all_of_its_backends_carry() -> None:
    chain = ExecuTorch(backends=["vulkan", "xnnpack"])
    assert chain.schemes() == {"float32", "w8a8-static"}
    assert chain.unsupported(FLOAT32, dynamic=False) is None
    assert chain.unsupported(W8A8_STATIC, dynamic=False) is None
    for spec in (FLOAT16, W8A8_DYNAMIC):
        assert f"{spec} is not something executorch carries" in str(chain.unsupported(spec, dynamic=False))
        assert ExecuTorch().unsupported(spec, dynamic=False) is None


@pytest.mark.parametrize("backends", [[], ["metal"], [{"name": "xnnpack", "force_fp16": True}]])
def test_backends_and_options_that_there_are_not_are_refused(backends) -> None:
    with pytest.raises(ValidationError, match="backends"):
        ExecuTorch(backends=backends)


def test_a_placement_as_agents_wrote_it_before_is_read() -> None:
    runtime = ResultRuntime.model_validate(
        {
            "name": "executorch", "version": "1.0", "backend": "xnnpack",
            "placement": {"backends": ["xnnpack"], "nodes_total": 12, "nodes_delegated": 10, "partitions": 2,
                          "fallback": True, "source": "log"},
        }
    )  # fmt: skip
    assert runtime.placement == Placement(per_backend={"xnnpack": 10}, left=2, partitions=2, source="log")
    assert Placement.model_validate({"backends": ["a", "b"], "nodes_delegated": 3}).per_backend == {"a+b": 3}
