"""What edgeship takes from torch's private side is still there."""

from __future__ import annotations

from pathlib import Path

import torch

from edgeship.targets.torchscript.program_file import DTYPES
from edgeship.targets.torchscript.upstream import load_lite, per_channel_tensor, save_lite


def test_integers_become_a_quantized_tensor_without_rounding() -> None:
    values = torch.tensor([[-127, 5], [127, -1]], dtype=torch.int8)
    tensor = per_channel_tensor(values, torch.tensor([0.5, 0.25]), axis=0)
    assert torch.equal(tensor.int_repr(), values)
    assert torch.equal(tensor.dequantize(), torch.tensor([[-63.5, 2.5], [31.75, -0.25]]))


def test_the_numbers_of_dtypes_in_a_pt2_are_torch_s() -> None:
    from torch._export.serde.schema import SCHEMA_VERSION
    from torch._export.serde.serialize import _TORCH_TO_SERIALIZE_DTYPE

    assert SCHEMA_VERSION[0] == 8, "the file's layout has changed: read targets/torchscript/program_file.py again"
    theirs = {int(number): str(dtype).removeprefix("torch.") for dtype, number in _TORCH_TO_SERIALIZE_DTYPE.items()}
    assert theirs == DTYPES


def test_the_lite_interpreter_runs_what_was_saved_for_it(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = torch.nn.Linear(4, 2).eval()
    x = torch.ones(1, 4)
    save_lite(torch.jit.trace(net, (x,)), tmp_path / "net.ptl")
    assert torch.equal(load_lite(tmp_path / "net.ptl")(x), net(x))
