"""Modules of operators that a runtime tells by their kinds alone, in the order that its file has them.

XNNPACK's operators have no names, but kinds: "Convolution (NHWC, QC8) DWConv #2". The audit knows by its numbers which
layer of the program each weight of a file is of. Where a profile has as many layers as the file, each of a kind that
the one in its place may become, they are the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

ORIGINS = "origins.json"
"""Kept beside a file, never shipped: where its operators come from, {name: {"module": …}}."""
BECOMES = {
    "Convolution": r"^\d+ (depthwise_?)?conv_?2d",
    "Fully Connected": r"^\d+ (fully_?connected|conv_?2d)",  # one of 1 × 1 is a matrix product
    "Deconvolution": r"^\d+ (convtranspose2d|transpose_conv)",
}
"""XNNPACK's kind → what is executed so, by its number among the file's layers and what the file calls it."""
_LAYER = re.compile(r"conv|fully_?connected", re.IGNORECASE)


def origins_of(layers: Sequence[tuple[str, str]]) -> dict[str, dict[str, str]]:
    """ORIGINS of a file: its operators with weights in their order, and the module of each; others are left out.

    `layers` has the place of a weight in the file ("XNNPACK Conv2d 4", "CONV_2D model/stem;2") and the layer that it is
    of ("stem (conv2d)").
    """
    found: dict[str, dict[str, str]] = {}
    for place, layer in layers:
        operator = place.removeprefix("XNNPACK ").partition(" ")[0]
        if _LAYER.search(operator):
            found[f"{len(found)} {operator}"] = {"module": layer.partition(" (")[0] if " (" in layer else ""}
    return found


def modules_in_order(origins: Mapping[str, Mapping[str, str]], names: Sequence[str]) -> dict[str, str]:
    """Executed operator → module, of XNNPACK's `names` in the order of execution; none where it is not sure."""
    executed = [(name, name.partition(" (")[0]) for name in names]
    products = [(name, kind) for name, kind in executed if kind in BECOMES]
    if len(products) != len(origins):
        return {}
    found = {}
    for (name, kind), (place, origin) in zip(products, origins.items(), strict=True):
        if not re.search(BECOMES[kind], place, re.IGNORECASE):
            return {}
        if module := origin.get("module"):
            found[name] = module.removeprefix("model.")
    return found
