"""The stage that looks whether calibration data can be right."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgeship.toolchain.build.records import CheckRecord
from edgeship.toolchain.build.stages.stage import Report, Stage
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.samples import load_samples


@dataclass(frozen=True)
class CheckData(Stage):
    """Look at calibration data: its range beside the evaluation data's, its variety, its number."""

    work: ClassVar[str] = "check"

    store: Path
    key: str
    calibration: Path
    evaluation: Path | None

    def run(self, report: Report) -> str:
        """What looks wrong becomes warnings of every line that calibrates with it."""
        from edgeship.calibration.checks import check_calibration

        def make(folder: Path) -> CheckRecord:
            evaluation = load_samples(self.evaluation) if self.evaluation else None
            warnings = check_calibration(load_samples(self.calibration), evaluation)
            for warning in warnings:
                report("warning", warning)
            return CheckRecord(warnings=tuple(warnings))

        return Store(self.store).once(self.key, CheckRecord, make).key
