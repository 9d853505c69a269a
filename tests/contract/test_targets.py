"""Every target carries what it says it carries: built, executed here and judged, spec by spec."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from edgeship.toolchain import registry
from edgeship.toolchain.build.store import Store
from edgeship.toolchain.commands import run as runs
from edgeship.toolchain.plugin import Target
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.report.document import ReportLine

sys.path.append(str(Path(__file__).parents[1] / "e2e"))
from workplace import PROJECT, recipe_text

pytestmark = pytest.mark.heavy

# one variant per scheme of edgeship.toolchain.quant
VARIANTS = {
    "float32": "[]",
    "float16": '["cast-fp16"]',
    "w8a8-static": '["quantize-static"]',
    "w8a8-dynamic": '["quantize-dynamic"]',
    "w8-weights": '["quantize-weights"]',
    "w4-weights": '[{ pass = "quantize-weights", bits = 4, group = 16 }]',
}
OPTIONS = {"coreml": 'minimum_deployment_target = "iOS18"\n'}  # what int4 wants
SLOW = ("coreai",)  # executed by an interpreter


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in registry.names("targets")]
)
def test_every_spec_it_lists_is_built_executed_and_passes(name: str, store: Store, tmp_path: Path) -> None:
    target = registry.load("targets", name)
    assert issubclass(target, Target)
    variants = "\n".join(f"{scheme} = {passes}" for scheme, passes in VARIANTS.items())
    text = recipe_text(name, variants=variants).replace('["batch", ', "[1, ").replace("dims = { batch = [1, 8] }", "")
    recipe = recipes.parse(text + OPTIONS.get(name, ""), PROJECT)
    report = runs.run_into(tmp_path, recipe, runs.Options(measure=False), lambda event: None, store).report
    lines: dict[str, ReportLine] = {line.variant: line for line in report.lines}
    schemes = recipe.plans[0].target.schemes()
    assert set(VARIANTS) >= schemes
    for scheme, line in lines.items():
        if scheme in schemes:
            assert (scheme, line.status, line.verdict, line.reason) == (scheme, "ok", "pass", None)
            [execution] = line.executions
            assert execution.executed_by
            assert execution.parity is not None
            assert execution.parity.samples >= 2
        else:
            assert line.status == "unsupported"
            assert line.reason
