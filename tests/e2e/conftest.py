"""One real run of the digits recipe that the end-to-end tests share."""

from __future__ import annotations

import os

import pytest
from digits_run import DIGITS, DigitsRun, digits_text

from toolchain import recipe as recipes
from toolchain import run as runs
from toolchain.pipeline import Event
from toolchain.store import Store


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
    outcome = runs.run(recipe, tmp / "run", runs.Options(quick=True), events.append, store)
    return DigitsRun(recipe, outcome, store, events)
