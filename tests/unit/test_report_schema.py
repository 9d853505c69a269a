"""docs/edgeship-report-1.schema.json is what the code writes: CI scripts of users read report.json by it."""

import json
from pathlib import Path

from edgeship.toolchain.report.document import Report

FILE = Path(__file__).parents[2] / "docs" / "edgeship-report-1.schema.json"


def test_the_published_schema_is_the_code_s() -> None:
    assert json.loads(FILE.read_text()) == Report.model_json_schema(by_alias=True), (
        "write it again: python -c 'import json; from edgeship.toolchain.report.document import Report; "
        "print(json.dumps(Report.model_json_schema(by_alias=True), indent=1))'"
    )
