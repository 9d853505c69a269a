"""ONNX Runtime, on the CPU."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import Arrays, Run
from .tensors import names, positions


def is_installed() -> bool:
    """Whether its package is."""
    return find_spec("onnxruntime") is not None


def load(file: Path, artifact: Mapping[str, Any]) -> Run:
    """options: graph_optimization, config (entries of the session), custom_op_libraries (files beside the model)."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when it is imported
    import onnxruntime

    options = artifact["runtime"].get("options", {})
    session = onnxruntime.SessionOptions()
    level = options.get("graph_optimization", "all").upper()
    levels = onnxruntime.GraphOptimizationLevel
    session.graph_optimization_level = getattr(
        levels, "ORT_DISABLE_ALL" if level == "DISABLE" else f"ORT_ENABLE_{level}"
    )
    for library in options.get("custom_op_libraries", []):
        session.register_custom_ops_library(str(file.parent / library))
    for key, value in options.get("config", {}).items():
        session.add_session_config_entry(key, value)
    loaded = onnxruntime.InferenceSession(str(file), session, providers=["CPUExecutionProvider"])
    inputs = [tensor.name for tensor in loaded.get_inputs()]
    outputs = [tensor.name for tensor in loaded.get_outputs()]
    takes, gives = names(artifact, "inputs"), names(artifact, "outputs")
    order = positions(inputs, takes)
    wanted = [outputs[place] for place in positions(gives, outputs)]

    def run(sample: Arrays) -> Arrays:
        fed = {name: sample[takes[place]] for name, place in zip(inputs, order, strict=True)}
        return dict(zip(gives, loaded.run(wanted, fed), strict=True))

    return run
