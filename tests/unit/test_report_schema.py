"""docs/edgeship-report-2.schema.json is what the code writes: CI scripts of users read report.json by it."""

import json
from pathlib import Path

import jsonschema

from edgeship.toolchain.report.document import Report
from edgeship.toolchain.report.folder import RunFolder

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docs" / "edgeship-report-2.schema.json"
EARLIER = ROOT / "tests" / "golden" / "report"


def test_the_published_schema_is_the_code_s() -> None:
    assert json.loads(FILE.read_text()) == Report.model_json_schema(by_alias=True), "run `make docs`"


def test_a_report_of_the_first_version_is_read_as_one_of_today() -> None:
    earlier = json.loads((EARLIER / "report.json").read_text())
    jsonschema.validate(earlier, json.loads((ROOT / "docs" / "edgeship-report-1.schema.json").read_text()))
    report = RunFolder(EARLIER).report()
    jsonschema.validate(
        json.loads(report.model_dump_json(by_alias=True, exclude_none=True)), json.loads(FILE.read_text())
    )
    assert [line.outcome for line in report.lines] == [line.get("verdict", line["status"]) for line in earlier["lines"]]
    for line, before in zip(report.lines, earlier["lines"], strict=True):
        execution = line.first
        assert (execution is None) == ("verdict" not in before)
        if execution:
            assert execution.parity_float is not None
            assert execution.parity_float.sqnr_db == before["parity_float"]["sqnr_db"]
            assert [m.latency_ns for m in execution.measurements] == [m["latency_ns"] for m in before["measurements"]]
            assert line.artifact is not None
            assert (line.path, line.artifact.sha256) == (before["artifact"]["path"], before["artifact"]["sha256"])
