"""One real run of the digits recipe that the end-to-end tests share."""

from __future__ import annotations

import json
import os
from dataclasses import asdict

import pytest
from digits_run import DIGITS, DigitsRun, digits_text
from filelock import FileLock

from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands import run as runs
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.report.folder import RunFolder


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> DigitsRun:
    """float and int8 on three runtimes, measured briefly."""
    recipe = recipes.parse(
        digits_text(("float", "int8"), ("onnx", "executorch", "litert")), DIGITS, default_name="digits"
    )
    # workers of one test run share it: the first makes it
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "digits"
    store = Store(shared / "cache")
    with FileLock(f"{shared}.lock"):
        if not (shared / "runs").exists():
            heard: list[Event] = []
            runs.run_into(shared / "runs", recipe, runs.Options(quick=True), heard.append, store)
            (shared / "heard.json").write_text(json.dumps([asdict(event) for event in heard]))
    (folder,) = (RunFolder(path) for path in (shared / "runs").iterdir())
    events = [Event(**event) for event in json.loads((shared / "heard.json").read_text())]
    return DigitsRun(recipe, runs.Outcome(folder, folder.report()), store, events)
