"""Tables written as TOML are read back the same, and their paths travel with the recipe."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from edgeship.toolchain.recipe import text, writer

RAW: dict[str, Any] = {
    "name": 'a "name"\\ with \x7f and 𝄞',
    "model": {
        "factory": "./net.py:build",
        "arguments": {"n": 1, "rate": 1e-7, "on": True, "texts": ["a", "b"], "odd key": {"x": {}}},
        "inputs": [{"name": "a" * 60, "shape": ["batch", 3]}, {"name": "b" * 60, "shape": [1, 3]}],
        "dims": {"batch": [1, 8]},
    },
    "variants": {"float": [], "small": [{"pass": "prune-structured", "ratio": 0.4}, "quantize-static"]},
    "targets": {"onnx": {"opset": 20}, "my.target": {}},
}


def test_tables_are_read_back_the_same() -> None:
    written = writer.text(RAW, ["two lines\nof a note"])
    assert tomllib.loads(written) == RAW
    assert written.startswith("# two lines\n# of a note\n")
    assert '\n[targets.onnx]\nopset = 20\n[targets."my.target"]\n' in written


def test_paths_of_the_project_are_relative_to_the_recipe_and_others_stay(tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "recipes").mkdir(parents=True)
    raw = {
        "model": {"factory": f"{project}/net.py:build", "weights": f"{project}/w.pt", "a": ["/elsewhere/x", "plain"]}
    }
    here = writer.relative(raw, project, project)
    assert here == {"model": {"factory": "./net.py:build", "weights": "./w.pt", "a": ["/elsewhere/x", "plain"]}}
    below = writer.relative(raw, project / "recipes", project)
    assert below["model"]["factory"] == "../net.py:build"
    assert text.absolute(here, project) == text.absolute(below, project / "recipes") == raw
