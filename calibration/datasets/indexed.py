"""Data sets whose samples can be chosen before any of them is read."""

from __future__ import annotations

from collections.abc import Sequence

from edgeship.toolchain.api import Array, Dataset, Samples, Signature


class IndexedDataset(Dataset):
    """Knows how many samples there are, and their labels, without reading the samples themselves."""

    def index(self) -> tuple[int, Array | None]:
        """The number of samples and, where known, their labels [n]; DataError when the source cannot be read."""
        raise NotImplementedError

    def read_rows(self, signature: Signature, rows: Sequence[int]) -> Samples:
        """The samples at these positions, in this order."""
        raise NotImplementedError

    def read(self, signature: Signature, limit: int | None) -> Samples:
        count, _ = self.index()
        return self.read_rows(signature, range(count if limit is None else min(limit, count)))
