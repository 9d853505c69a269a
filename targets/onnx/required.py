"""The operators that a reduced build of ONNX Runtime needs for files, found and written by its own tools."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgeship.targets.onnx.runtime import onnxruntime
from edgeship.targets.onnx.saturation import session_options
from edgeship.toolchain.api import EdgeshipError, first_line

CONFIG = "required_operators.config"
"""For `build.py --include_ops_by_config`."""
WITH_TYPES = "required_operators_and_types.config"
"""The same with the types that each operator meets: `--enable_reduced_operator_type_support`, too."""
ARM = {"session.qdqisint8allowed": "1"}
"""What the runtime does by itself on Arm: fused int8 operators instead of uint8."""


def write_required(files: Mapping[str, Path], out: Path) -> list[str]:
    """Write both forms of the list for the ONNX files of these names into `out`; answer the operators.

    EdgeshipError where ONNX Runtime cannot load one.
    """
    from onnxruntime.tools.ort_format_model import create_config_from_models

    logging.getLogger("ort_format_model.utils").setLevel(logging.WARNING)  # says where it writes
    with tempfile.TemporaryDirectory() as folder:
        graphs = [graph for name, file in files.items() for graph in _graphs(name, file, Path(folder))]
        for written, with_types in ((CONFIG, False), (WITH_TYPES, True)):
            create_config_from_models(graphs, out / written, with_types)
            lines = (out / written).read_text().splitlines()
            said = [f"# {name}" for name in files]  # the tool names the graphs, which are gone
            (out / written).write_text("\n".join([*said, *(line for line in lines if line[:1] != "#")]) + "\n")
    found = []
    for line in (out / CONFIG).read_text().splitlines():
        if line[:1] != "#":
            domain, _, operators = line.split(";")
            prefix = "" if domain == "ai.onnx" else f"{domain}."
            found += [f"{prefix}{operator}" for operator in operators.split(",")]
    return sorted(set(found))


def _graphs(name: str, file: Path, folder: Path) -> Iterator[Path]:
    """The file as ONNX Runtime optimizes it for each kind of device, and as it stands.

    A build that has the operators of the file alone loads it, fuses some, and finds no kernel for what it made
    (onnxruntime#23018); and what it folds into constants it computes first.
    """
    import onnx_ir as ir

    runtime = onnxruntime()
    levels = runtime.GraphOptimizationLevel
    exact = session_options(ir.load(file)).get("config", {})
    settings: list[tuple[Any, dict[str, str], list[str]]] = [
        (levels.ORT_DISABLE_ALL, {}, []),
        (levels.ORT_ENABLE_BASIC, {}, []),
    ]
    for config in ({}, ARM, *([exact] if exact else [])):
        settings.append((levels.ORT_ENABLE_EXTENDED, config, []))
        settings.append((levels.ORT_ENABLE_ALL, config, []))
        settings.append((levels.ORT_ENABLE_ALL, config, ["NchwcTransformer"]))  # CPUs without its layout
    for number, (level, config, without) in enumerate(settings):
        options = runtime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = 1
        options.graph_optimization_level = level
        options.optimized_model_filepath = str(folder / f"{name}-{number}.ort")
        for key, value in {**config, "session.save_model_format": "ORT"}.items():
            options.add_session_config_entry(key, value)
        try:
            runtime.InferenceSession(
                str(file), options, providers=["CPUExecutionProvider"], disabled_optimizers=without
            )
        except Exception as error:
            if config == exact and exact:  # not every file loads with it, see exact_options
                continue
            raise EdgeshipError(
                f"{name}: ONNX Runtime cannot load it: {first_line(error)}", "export it again"
            ) from error
        yield folder / f"{name}-{number}.ort"
