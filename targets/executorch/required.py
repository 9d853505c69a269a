"""The operators that a selective build of ExecuTorch needs for files, found and written by its own tools."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path

from edgeship.targets.executorch.pte import read
from edgeship.toolchain.api import EdgeshipError

LIST = "selected_operators.yaml"
"""With the types and dimension orders that each operator meets."""
SETTINGS = "selective_build.cmake"
"""The same as settings of ExecuTorch's own CMake build."""
BACKENDS = {
    "XnnpackBackend": "EXECUTORCH_BUILD_XNNPACK",
    "VulkanBackend": "EXECUTORCH_BUILD_VULKAN",
    "CoreMLBackend": "EXECUTORCH_BUILD_COREML",
    "QnnBackend": "EXECUTORCH_BUILD_QNN",
}
"""A backend's name in a file → the setting that builds it."""
QUANTIZED = "quantized_decomposed::"
"""Operators of a kernel library of their own."""


def write_required(files: Mapping[str, Path], out: Path) -> list[str]:
    """Write the list and the settings for the .pte files of these names into `out`; answer operators and backends.

    EdgeshipError for a file that its tool cannot read.
    """
    import yaml
    from torchgen.selective_build.selector import SelectiveBuilder, combine_selective_builders

    lists = [SelectiveBuilder.from_yaml_dict(yaml.safe_load(_list_of(name, file))) for name, file in files.items()]
    merged = reduce(combine_selective_builders, lists)
    operators = sorted(merged.operators)
    (out / LIST).write_text(yaml.safe_dump(merged.to_dict(), default_flow_style=False))
    backends = sorted({backend for file in files.values() for backend in read(file).delegates})
    (out / SETTINGS).write_text("\n".join(_settings(list(files), operators, backends)) + "\n")
    return [*operators, *(f"backend {backend}" for backend in backends)]


def _list_of(name: str, file: Path) -> str:
    """What ExecuTorch's gen_oplist says of one file; it knows nothing of where the file lies."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).symlink_to(file.resolve())
        tool = [sys.executable, "-m", "executorch.codegen.tools.gen_oplist"]
        command = [*tool, "--model_file_path", name, "--output_path", LIST]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
            raise EdgeshipError(f"{name}: ExecuTorch's gen_oplist cannot read it: {said}", "export it again")
        return (Path(folder) / LIST).read_text()


def _settings(names: Sequence[str], operators: Sequence[str], backends: Sequence[str]) -> list[str]:
    lines = [f"# {name}" for name in names]
    lines += ["# cmake -C selective_build.cmake … ExecuTorch's folder; link executorch_kernels"]
    lines += [f'set(EXECUTORCH_SELECT_OPS_LIST "{",".join(operators)}" CACHE STRING "")']
    switches = [BACKENDS[backend] for backend in backends if backend in BACKENDS]
    if any(operator.startswith(QUANTIZED) for operator in operators):
        switches.append("EXECUTORCH_BUILD_KERNELS_QUANTIZED")
    lines += [f'set({switch} ON CACHE BOOL "")' for switch in switches]
    return lines + [f"# and the backend {backend}" for backend in backends if backend not in BACKENDS]
