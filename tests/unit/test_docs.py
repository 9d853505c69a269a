"""Pages that are written from the code are what the code says today, and no page names a file that is not there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from docs import generate
from edgeship.apps.board.refusal import REASONS
from edgeship.toolchain import registry
from edgeship.toolchain.recipe import read as recipes

ROOT = generate.ROOT
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").glob("*.md"),
    *(ROOT / "examples").rglob("README.md"),
    *(ROOT / "apps").rglob("*.md"),
]
FILE = re.compile(r"`((?:edgeship|toolchain|targets|calibration|apps|tests|benchmarks|docs|examples)/[\w./-]+)`")
MODULE = re.compile(r"\bedgeship\.((?:toolchain|targets|calibration)(?:\.\w+)+)")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)")


def test_the_recipe_page_is_what_the_options_say() -> None:
    assert generate.RECIPE.read_text() == generate.recipe_page(), "run `make docs`"


def test_the_bundles_page_and_schema_are_what_the_code_says() -> None:
    assert generate.BUNDLES.read_text() == generate.bundles_page(), "run `make docs`"
    assert generate.BUNDLE_SCHEMA.read_text() == generate.bundle_schema(), "run `make docs`"


def test_kotlin_gives_the_reasons_of_python_in_the_same_words() -> None:
    source = (ROOT / "apps/android/core/src/main/kotlin/edgeship/bundle/Refusal.kt").read_text()
    assert dict(re.findall(r'\w+\("([\w-]+)", "(.*)"\),', source)) == REASONS


def test_the_recipe_page_tells_every_plugin_and_its_options() -> None:
    page = generate.RECIPE.read_text()
    for group, names in registry.BUILT_IN.items():
        for name in names:
            assert re.search(rf"^### .*\b{re.escape(name)}\b", page, re.MULTILINE), name
            assert all(f"| `{option}` |" in page for option in registry.load(group, name).model_fields), name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page: Path) -> None:
    text = page.read_text()
    missing = [name for name in FILE.findall(text) if not (ROOT / name).exists()]
    prose = re.sub("```.*?```", "", text, flags=re.DOTALL)
    missing += [name for name in LINK.findall(prose) if not (page.parent / name).exists()]
    assert missing == []


def test_the_readme_s_recipe_is_sound() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (text,) = [block for block in blocks if "[model]" in block]
    recipe = recipes.parse(text, ROOT, "README.md")
    assert [plan.unsupported for plan in recipe.plans] == [None] * 8


def test_the_readme_names_commands_that_are_there() -> None:
    from edgeship.toolchain.cli import app

    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    text = (ROOT / "README.md").read_text()
    assert set(re.findall(r"(?:^|`)edgeship ([a-z-]+)", text, re.MULTILINE)) <= commands


@pytest.mark.parametrize("folder", ["toolchain", "targets", "calibration", "benchmarks", "examples"])
def test_modules_that_docstrings_and_tables_name_are_there(folder: str) -> None:
    named = {name for file in (ROOT / folder).rglob("*.py") for name in MODULE.findall(file.read_text())}
    assert [name for name in sorted(named) if not is_there(name)] == []


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, a folder or something that a module has."""
    place = ROOT.joinpath(*name.split("."))
    if place.is_dir() or place.with_suffix(".py").is_file():
        return True
    homes = (place.parent.with_suffix(".py"), place.parent / "__init__.py")
    return any(re.search(rf"\b{place.name}\b", home.read_text()) for home in homes if home.is_file())


def test_the_architecture_page_tells_every_folder_in_the_order_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("exhaustive")]
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = [re.findall(r"`(\w+)`", row.partition(" | ")[0]) for row in page.splitlines() if row.startswith("| `")]
    told = {name: number for number, names in enumerate(rows) for name in names}
    places = [max(told[name] for name in layer.split(" | ")) for layer in layers]
    assert places == sorted(places)
