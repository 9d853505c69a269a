"""Operators of MIL by family, as torch functions; only the agent's process imports them, so torch stands on top."""

from edgeship.targets.coreml.operators import arithmetic, indexing, layers, movement, reductions
from edgeship.targets.coreml.operators.table import OPERATORS

__all__ = ["OPERATORS", "arithmetic", "indexing", "layers", "movement", "reductions"]
