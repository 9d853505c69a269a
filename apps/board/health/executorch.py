"""ExecuTorch by its Python bindings, which need torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import Arrays, Run
from .tensors import names


def is_installed() -> bool:
    """Whether its package is."""
    return find_spec("executorch") is not None


def load(file: Path, artifact: Mapping[str, Any]) -> Run:
    """Inputs and outputs by their places: the files have no names."""
    import torch
    from executorch.runtime import Runtime

    program = Runtime.get().load_program(file)
    method = program.load_method("forward")
    if method is None:
        raise ValueError(f"{file.name}: has no method called forward")
    takes, gives = names(artifact, "inputs"), names(artifact, "outputs")

    def run(sample: Arrays) -> Arrays:
        answers = method.execute([torch.from_numpy(sample[name].copy()) for name in takes])
        return {name: answer.numpy() for name, answer in zip(gives, answers, strict=True)}

    return run
