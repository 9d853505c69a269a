"""The stage that reads a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgeship.toolchain.build.records import SAMPLES, DataRecord
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.errors import DataError
from edgeship.toolchain.plugin import Signature
from edgeship.toolchain.recipe.plan import Data


@dataclass(frozen=True)
class ReadData(Stage):
    """Read a declared data set once: the selected samples become one file."""

    work: ClassVar[str] = "data"

    store: Path
    key: str
    data: Data
    signature: Signature

    def run(self, report: Report) -> str:
        """DataError where the data set is empty or does not fit the model."""
        from edgeship.calibration.selection import read_selected

        def make(folder: Path) -> DataRecord:
            report("progress", f"reading {self.data.name} data")
            chosen = self.data.selection
            samples = read_selected(self.data.dataset, self.signature, chosen.samples, chosen.select, chosen.seed)
            if len(samples) == 0:
                raise DataError(f"{self.data.name}: the data set is empty", "check its path")
            samples.save(folder / SAMPLES)
            for name, content in self.data.dataset.contract_files().items():
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_bytes(content)
            return DataRecord(
                samples=len(samples),
                synthetic=samples.synthetic,
                classes=samples.classes,
                contract=self.data.dataset.contract(self.signature),
                warnings=samples.warnings,
            )

        return Store(self.store).once(self.key, DataRecord, make).key
