"""The TorchScript target and a reader of torch's own files."""

from targets.torchscript.inspect import inspect_file
from targets.torchscript.target import TorchScript

__all__ = ["TorchScript", "inspect_file"]
