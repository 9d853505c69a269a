"""Fails when the private parts of coremltools that edgeship stands on change."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgeship.targets.coreml.upstream import (
    coremltools,
    forget_symbols,
    lossy_operators,
    read_program,
    read_spec,
    take_int4_groups,
)

pytestmark = pytest.mark.heavy


def test_a_package_reads_back_with_its_constants_and_operators(tmp_path: Path) -> None:
    ct = coremltools()
    assert ct.__version__.startswith("9.0")
    assert sys.modules.get("sklearn", sys) is not None  # hidden for the import alone
    net = nn.Linear(40, 30).eval()
    program = torch.export.export(net, (torch.randn(1, 40),)).run_decompositions({})
    ct.convert(program, compute_precision=ct.precision.FLOAT32, skip_model_load=True).save(
        str(tmp_path / "n.mlpackage")
    )
    found = read_program(tmp_path / "n.mlpackage")
    (linear,) = [op for op in found.main.operations if op.kind == "linear"]
    weight = linear.inputs["weight"]
    assert not isinstance(weight, list)
    np.testing.assert_array_equal(weight.constant, net.weight.detach().numpy())
    assert ("float32", 4800) in {(dtype, size) for _, dtype, size in found.stored}
    assert read_spec(tmp_path / "n.mlpackage").WhichOneof("Type") == "mlProgram"


def test_the_converter_still_drops_the_form_of_gelu_and_it_is_decomposed() -> None:
    def program(form: str) -> torch.export.ExportedProgram:
        return torch.export.export(nn.GELU(approximate=form), (torch.randn(3),))

    assert list(lossy_operators(program("tanh"))) == [torch.ops.aten.gelu.default]
    assert lossy_operators(program("none")) == {}


def test_the_dimensions_of_a_conversion_that_failed_are_forgotten() -> None:
    coremltools()
    from coremltools.converters.mil.mil import get_new_symbol

    get_new_symbol("rows")
    with pytest.raises(ValueError, match="used already"):
        get_new_symbol("rows")
    forget_symbols()
    get_new_symbol("rows")
    forget_symbols()


def test_int4_groups_register_once() -> None:
    from coremltools.converters.mil.frontend.torch.torch_op_registry import _TORCH_OPS_REGISTRY

    take_int4_groups()
    take_int4_groups()
    assert "quantized_decomposed::dequantize_per_channel_group" in _TORCH_OPS_REGISTRY


def test_a_process_that_only_reads_imports_no_converters(tmp_path: Path) -> None:
    """Reads the same program as the whole package, without torch's converter, which takes most of the import."""
    script = f"""
import subprocess
import sys
from edgeship.targets.coreml.upstream import coremltools_to_read, read_program
coremltools_to_read()
assert "torch" not in sys.modules and "transformers" not in sys.modules
import torch
program = read_program(__import__("pathlib").Path({str(tmp_path / "net.mlpackage")!r}))
assert not [name for name in sys.modules if name.startswith("coremltools.converters.mil.frontend.torch.ops")]
print([op.kind for op in program.main.operations])
"""
    ct = coremltools()
    program = torch.export.export(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), (torch.randn(1, 4),)).run_decompositions(
        {}
    )
    model = ct.convert(program, minimum_deployment_target=ct.target.iOS17, skip_model_load=True)
    model.save(str(tmp_path / "net.mlpackage"))
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    kinds = [op.kind for op in read_program(tmp_path / "net.mlpackage").main.operations]
    assert told.stdout.splitlines()[-1] == str(kinds)
    assert "linear" in kinds


def test_the_converter_is_imported_without_what_only_others_convert() -> None:
    script = """
import sys
from edgeship.targets.coreml.upstream import coremltools
ct = coremltools()
assert not {"sklearn", "transformers", "torchvision", "executorch"} & set(sys.modules), sorted(sys.modules)
import torch
program = torch.export.export(torch.nn.Linear(4, 4).eval(), (torch.zeros(1, 4),)).run_decompositions({})
print(type(ct.convert(program, skip_model_load=True)).__name__)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == "MLModel"
