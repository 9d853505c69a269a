"""Resizing that converters get wrong or refuse, in operators that all take: gathers, and constant matrices.

coremltools 9 places the nearest pixel elsewhere where a size is no multiple (2.6 dB), and drops `antialias` (-0.2 dB).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from edgeship.toolchain.model.rewriting import Place, Rewrite


def resizes() -> dict[Any, Rewrite]:
    """Operator → its rewrite, which leaves alone what every converter takes."""
    import torch

    aten = torch.ops.aten
    return {
        aten.upsample_nearest2d.vec: _nearest,
        aten._upsample_bilinear2d_aa.vec: _separable,
        aten._upsample_bicubic2d_aa.vec: _separable,
    }


def _nearest(place: Place, x: Any, size: Sequence[int] | None, factors: Sequence[float] | None) -> Any:
    """The rows and columns that torch takes, by index; where sizes are multiples the operator stays."""
    import torch

    wanted = _wanted(place)
    if wanted is None or all(new % old == 0 for old, new in wanted):
        return None
    for dim, (old, new) in enumerate(wanted, start=2):
        if old == new:
            continue
        index = _along(place, torch.arange(float(old)), dim).long()
        x = torch.ops.aten.index_select.default(x, dim, place.constant(f"index_{dim}", index))
    return x


def _separable(place: Place, x: Any, *options: Any) -> Any:
    """A matrix for the rows and one for the columns: what torch makes of the unit vectors."""
    import torch

    wanted = _wanted(place)
    if wanted is None:
        return None
    matmul = torch.ops.aten.matmul.default
    (height, _), (width, _) = wanted
    rows = _along(place, torch.eye(height), 2)
    columns = _along(place, torch.eye(width), 3)
    return matmul(matmul(place.constant("rows", rows.mT.contiguous()), x), place.constant("columns", columns))


def _wanted(place: Place) -> list[tuple[int, int]] | None:
    """(before, after) of height and width; None where one is dynamic."""
    sizes = place.sizes
    after = list(place.node.meta["val"].shape)
    if sizes is None or not all(isinstance(size, int) for size in after):
        return None
    return list(zip(sizes[2:], after[2:], strict=True))


def _along(place: Place, values: torch.Tensor, dim: int) -> torch.Tensor:
    """[..., old size] resized by the operator itself to [..., new size], as one of its dimensions would be."""
    resize: Any = place.node.target
    other = place.sizes[5 - dim]  # type: ignore[index]
    flat = values.reshape(-1, 1, values.shape[-1])
    image = flat[..., None].expand(-1, -1, -1, other) if dim == 2 else flat[..., None, :].expand(-1, -1, other, -1)
    resized = resize(image.contiguous(), *place.node.args[1:])
    line = resized[:, 0, :, 0] if dim == 2 else resized[:, 0, 0, :]
    found: torch.Tensor = line.reshape(*values.shape[:-1], -1)
    return found
