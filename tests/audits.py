"""What the constants audit found, of a file that something reads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edgeship.toolchain.artifact import Artifact, ConstantsAudit
from edgeship.toolchain.inventory import Inventory
from edgeship.toolchain.model.audit import compared, compared_file
from edgeship.toolchain.model.expected import Constants

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def audit(program: ExportedProgram, artifact: Artifact, folder: Path) -> ConstantsAudit | None:
    """Of the file that `folder` holds and the program it was made from; None where nothing reads it."""
    found = compared_file(program, artifact, folder)
    return found.audit if found else None


def compare(expected: Constants, found: Inventory) -> ConstantsAudit:
    """Of a program's constants and a file's."""
    return compared(expected, found).audit
