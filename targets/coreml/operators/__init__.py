"""Operators of MIL by family, as torch functions; only the agent's process imports them, so torch stands on top."""

from targets.coreml.operators import arithmetic, layers, movement, reductions
from targets.coreml.operators.table import OPERATORS

__all__ = ["OPERATORS", "arithmetic", "layers", "movement", "reductions"]
