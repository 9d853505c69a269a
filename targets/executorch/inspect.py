"""`edgeship inspect FILE.pte`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeship.targets.executorch.constants import constants
from edgeship.targets.executorch.pte import read
from edgeship.toolchain.api import by_dtype

__all__ = ["constants", "inspect_file"]


def inspect_file(path: Path) -> dict[str, Any]:
    """What is in a .pte: keys format, inputs, outputs, operators, dtypes, largest (name, bytes), backends.

    The format carries no names: they are None, for the position to count. Raises EdgeshipError when it is damaged.
    """
    pte = read(path)
    operators = pte.kernels + type(pte.kernels)({f"xnnpack::{name}": count for name, count in pte.xnnpack.items()})
    return {
        "format": "executorch",
        "inputs": [{"name": None, "dtype": d, "shape": s} for d, s in pte.inputs],
        "outputs": [{"name": None, "dtype": d, "shape": s} for d, s in pte.outputs],
        "operators": dict(operators.most_common()),
        "dtypes": None if pte.unread else by_dtype(pte.computing),
        "largest": [[c.name, c.bytes] for c in sorted(pte.constants, key=lambda c: -c.bytes)[:20]],
        "backends": {**pte.delegates, "portable": pte.kernels.total()},
        "planned_bytes": pte.planned_bytes,
        "weight_bytes": None if pte.unread else pte.weight_bytes,
    }
