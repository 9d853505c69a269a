"""A library of custom operators travels with the file, and ONNX Runtime is given it wherever the file is executed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch

from edgeship.targets.onnx.target import Onnx
from edgeship.toolchain.api import Context, Samples, Signature, Tensor, export
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.judge import verdict
from edgeship.toolchain.quant import FLOAT32

pytestmark = pytest.mark.heavy

# what ONNX Runtime calls, without its header: registers nothing, and leaves a mark beside itself
LIBRARY = """
#include <cstdio>
extern "C" void *RegisterCustomOps(void *, const void *) { fclose(fopen(MARK, "w")); return nullptr; }
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_the_agent_registers_the_library_that_travels_with_the_file(tmp_path: Path) -> None:
    mark, source, library = tmp_path / "registered", tmp_path / "ops.cpp", tmp_path / "libops.so"
    source.write_text(LIBRARY)
    subprocess.run(["g++", "-shared", "-fPIC", f'-DMARK="{mark}"', str(source), "-o", str(library)], check=True)
    tensor = Tensor(name="x", dtype="float32", shape=(4,))
    signature = Signature((tensor,), (tensor.model_copy(update={"name": "y"}),))
    example = (torch.rand(4),)

    class Double(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
            return (x * 2,)

    out = tmp_path / "out"
    out.mkdir()
    program = export(Double(), example, signature)
    artifact = Onnx(custom_library=library).export(program, out, Context(signature=signature, example=example))
    assert artifact.extra_files == ("libops.so",)
    library.unlink()
    mark.unlink()  # the build registered it, too
    rows = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    case = verdict.Case(FLOAT32, Samples({"x": rows}), {"y": rows * 2}, {"y": rows * 2})
    with Local().open() as link:
        assert verdict.judge(artifact, out, link, case).verdict == "pass"
        assert mark.exists()
        (out / "libops.so").write_bytes(b"no library")
        failed = verdict.judge(artifact, out, link, case)
    assert failed.verdict == "fail"
    assert "libops.so" in failed.reasons[0]
