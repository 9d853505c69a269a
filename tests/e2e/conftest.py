"""One real run of the digits recipe that the end-to-end tests share."""

from __future__ import annotations

import os

import pytest
from digits_run import DIGITS, DigitsRun, digits_text

from edgeship.toolchain.build.lines import Event
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands import run as runs
from edgeship.toolchain.recipe import read as recipes


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> DigitsRun:
    """float and int8 on three runtimes, measured briefly."""
    tmp = tmp_path_factory.mktemp("digits")
    recipe = recipes.parse(
        digits_text(("float", "int8"), ("onnx", "executorch", "litert")), DIGITS, default_name="digits"
    )
    # workers of one test run share what they build: the store is made for that
    shared = tmp_path_factory.getbasetemp()
    store = Store((shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared) / "digits-cache")
    events: list[Event] = []
    outcome = runs.run_into(tmp, recipe, runs.Options(quick=True), events.append, store)
    return DigitsRun(recipe, outcome, store, events)
