"""The ExecuTorch target and a reader of its files."""

from targets.executorch.inspect import inspect_file
from targets.executorch.target import ExecuTorch

__all__ = ["ExecuTorch", "inspect_file"]
