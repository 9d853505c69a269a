"""Which source files enter the key of which work: an edit makes that work, and no other, be done again."""

import shutil
from pathlib import Path

import pytest

from edgeship.toolchain import registry
from edgeship.toolchain.build import code
from edgeship.toolchain.plugin import Target

FOLDERS = ("toolchain", "targets", "calibration")
TARGETS = sorted(name for name, place in registry.names("targets").items() if place.startswith("edgeship."))
STAGES = "edgeship.toolchain.build.stages"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of edgeship that may be edited."""
    root = tmp_path_factory.mktemp("copy")
    for name in FOLDERS:
        shutil.copytree(code.ROOT / name, root / "edgeship" / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture(scope="module")
def of_targets(copy: Path) -> dict[str, tuple[Path, ...]]:
    """The files behind each target's artifacts, without what all of them share."""
    found = {}
    for name in TARGETS:
        kind = registry.load("targets", name)
        assert issubclass(kind, Target)
        found[name] = code.files(code.home(kind), root=copy)
    return found


def test_every_file_of_a_targets_folder_enters_that_targets_key_and_no_others(
    copy: Path, of_targets: dict[str, tuple[Path, ...]]
) -> None:
    folder = copy / "edgeship" / "targets"
    checked = 0
    for file in folder.rglob("*.py"):
        if file.parent == folder:
            continue
        users = [name for name, files in of_targets.items() if file in files]
        assert users == [file.relative_to(folder).parts[0]], file
        checked += 1
    assert checked > 40
    assert set(of_targets) == {path.parent.name for path in folder.glob("*/target.py")}


def test_an_edit_changes_the_digest_of_those_that_run_through_it(
    copy: Path, of_targets: dict[str, tuple[Path, ...]]
) -> None:
    before = {name: code.digest_of_files(files) for name, files in of_targets.items()}
    file = copy / "edgeship" / "targets" / "executorch" / "half.py"
    file.write_text(file.read_text() + "\n# edited\n")
    after = {name: code.digest_of_files(files) for name, files in of_targets.items()}
    assert [name for name in before if before[name] != after[name]] == ["executorch"]


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("toolchain/model/program.py", {"program", "artifact", "outputs"}),
        ("toolchain/model/weights.py", {"program", "artifact", "outputs"}),
        ("toolchain/quantization/row_scales.py", {"outputs"}),
        ("calibration/selection.py", {"data"}),
        ("calibration/checks.py", {"check"}),
        ("toolchain/build/stages/artifact.py", {"artifact"}),
        ("toolchain/build/store.py", set()),
        ("toolchain/build/keys.py", set()),
        ("toolchain/recipe/read.py", set()),
        ("toolchain/report/terminal/__init__.py", set()),
    ],
)
def test_shared_code_enters_the_stages_that_run_through_it(file: str, stages: set[str]) -> None:
    path = code.ROOT / "edgeship" / file
    assert path.is_file()
    kinds = ("data", "check", "program", "artifact", "outputs")
    assert {kind for kind in kinds if path in code.files(f"{STAGES}.{kind}")} == stages


def test_a_pass_runs_through_what_it_imports_inside_its_functions() -> None:
    files = code.files("edgeship.toolchain.passes.quantize")
    names = {file.relative_to(code.ROOT / "edgeship" / "toolchain").as_posix() for file in files}
    assert {"passes/quantize.py", "quantization/quantizer.py", "quantization/upstream.py"} <= names
    assert "passes/prune.py" not in names


def test_a_plugin_from_elsewhere_is_its_own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "acme_tools"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "helper.py").write_text("FACTOR = 2\n")
    (package / "unused.py").write_text("")
    (package / "double.py").write_text("import json\nfrom acme_tools import helper\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    __import__("acme_tools.double")
    names = {file.name for file in code.files("acme_tools.double")}
    assert names == {"__init__.py", "helper.py", "double.py"}
