"""References to the user's own Python."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import edgeship
from edgeship.toolchain.errors import MissingError, RecipeError
from edgeship.toolchain.references import load_callable, source_file


def test_a_file_beside_the_recipe_is_found(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from helper import four\ndef build(n=1): return n + four\n")
    (tmp_path / "helper.py").write_text("four = 4\n")
    assert load_callable("./mine.py:build", tmp_path)(n=2) == 6
    assert load_callable(f"{tmp_path}/mine.py:build", Path("/"))() == 5
    assert source_file("./mine.py:build", tmp_path) == tmp_path / "mine.py"


def test_a_function_in_a_package_is_found(tmp_path: Path) -> None:
    assert load_callable("pathlib:Path.cwd", tmp_path)() == Path.cwd()
    assert source_file("pathlib:Path.cwd", tmp_path) is None


def test_two_folders_with_the_same_file_name_do_not_mix(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "model.py").write_text(f"def build(): return {number}\n")
    assert [load_callable("./model.py:build", tmp_path / str(n))() for n in (1, 2, 1)] == [1, 2, 1]


def test_two_folders_with_the_same_helper_do_not_mix(tmp_path: Path) -> None:
    for number in (1, 2):
        folder = tmp_path / str(number)
        (folder / "layers").mkdir(parents=True)
        (folder / "layers" / "__init__.py").write_text("")
        (folder / "layers" / "conv.py").write_text(f"width = {number}\n")
        (folder / "data.py").write_text(f"number = {number}\n")
        (folder / "model.py").write_text(
            "from data import number\nfrom layers.conv import width\n"
            "def build():\n    import data\n    return number, width, data.number\n"
        )
    for n in (1, 2, 1):
        assert load_callable("./model.py:build", tmp_path / str(n))() == (n, n, n)
        assert load_callable(f"./{n}/model.py:build", tmp_path)() == (n, n, n)
        assert load_callable("layers.conv:__name__.upper", tmp_path / str(n))() == "LAYERS.CONV"


def test_an_edited_file_is_loaded_anew(tmp_path: Path) -> None:
    for number in (1, 2):  # within a second, of one size
        (tmp_path / "m.py").write_text(f"def f(): return {number}\n")
        assert load_callable("./m.py:f", tmp_path)() == number


def test_a_file_is_compiled_without_this_modules_own_future_imports(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(x: int): return x\n")
    assert load_callable("./m.py:f", tmp_path).__annotations__ == {"x": int}


def test_a_users_folder_never_shadows_an_installed_module(tmp_path: Path) -> None:
    (tmp_path / "edgeship").mkdir()
    (tmp_path / "edgeship" / "__init__.py").write_text("raise SystemExit\n")
    (tmp_path / "m.py").write_text("import edgeship\ndef f(): return edgeship.__file__\n")
    assert not load_callable("./m.py:f", tmp_path)().startswith(str(tmp_path))
    assert sys.path.index(str(tmp_path)) == len(sys.path) - 1


def test_leaving_edgeships_own_checkout_does_not_unload_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its classes would not be those that a worker's answers are pickled as."""
    checkout, before = Path(edgeship.__file__).parents[1], sys.modules["edgeship.toolchain.errors"]
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if Path(folder).resolve() != checkout])
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    for folder in (tmp_path, checkout, tmp_path):
        (tmp_path / "model.py").write_text("def build():\n    return 1\n")
        load_callable("./model.py:build" if folder == tmp_path else "json:dumps", folder)
    assert sys.modules.get("edgeship.toolchain.errors") is before


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("build", "does not name a function"),
        ("./none.py:f", "cannot read"),
        ("./m.py:g", "no 'g'"),
        ("./m.py:number", "not a function"),
        ("./broken.py:f", "broken.py:2"),
        ("./syntax.py:f", "syntax.py:1"),
    ],
)
def test_a_wrong_reference_says_where_and_why(tmp_path: Path, reference: str, message: str) -> None:
    (tmp_path / "m.py").write_text("number = 1\ndef f(): return 1\n")
    (tmp_path / "broken.py").write_text("x = 1\nraise ValueError('oh')\n")
    (tmp_path / "syntax.py").write_text("def f(:\n")
    with pytest.raises(RecipeError, match=message):
        load_callable(reference, tmp_path)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no_such_package"):
        load_callable("no_such_package.x:f", tmp_path)
