"""Core ML packages for Apple devices, and a reference evaluation of them for hosts without Core ML."""

from targets.coreml.inspect import inspect_file
from targets.coreml.target import CoreML

__all__ = ["CoreML", "inspect_file"]
