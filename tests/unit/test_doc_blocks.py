"""Code on the pages is what the files hold that it is taken from."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import blocks, generate

KOTLIN = """class Reader {
    // docs: load
    fun load() {
        go()
    }
    // docs: end
}
"""


@pytest.mark.parametrize("page", generate.PAGES, ids=lambda page: page.name)
def test_code_on_a_page_is_that_of_its_file(page: Path) -> None:
    text = page.read_text()
    assert blocks.render(text, generate.ROOT) == text, "run `make docs`"


def page_of(place: str) -> str:
    return f"before\n<!-- code:{place} -->\nold\n<!-- /code -->\nafter"


def test_a_part_is_shown_without_its_marks_and_indentation(tmp_path: Path) -> None:
    (tmp_path / "Reader.kt").write_text(KOTLIN)
    shown = blocks.render(page_of("Reader.kt#load"), tmp_path)
    body = "```kotlin\nfun load() {\n    go()\n}\n```"
    assert shown == f"before\n<!-- code:Reader.kt#load -->\n{body}\n<!-- /code -->\nafter"
    assert blocks.render(shown, tmp_path) == shown


def test_a_whole_file_is_shown_in_its_language(tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('# docs: model\nname = "a"\n# docs: end\n[targets.onnx]\n')
    assert '```toml\nname = "a"\n[targets.onnx]\n```' in blocks.render(page_of("recipe.toml"), tmp_path)
    assert '```toml\nname = "a"\n```' in blocks.render(page_of("recipe.toml#model"), tmp_path)


@pytest.mark.parametrize(
    "text", ["", "# docs: a\n", "# docs: a\n# docs: b\n# docs: end\n", "# docs: a\n# docs: end\n" * 2]
)
def test_a_part_that_is_not_there_once_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(text)
    with pytest.raises(ValueError, match=r"run\.sh: has no one part 'a'"):
        blocks.render(page_of("run.sh#a"), tmp_path)
