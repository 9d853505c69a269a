"""What wrappers are called, how they are written, and what none can be written of."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from native import compiled, needs_compiler

from edgeship.toolchain.bundle.manifest import Manifest
from edgeship.toolchain.codegen.render import LANGUAGES, render
from edgeship.toolchain.codegen.samples import samples
from edgeship.toolchain.codegen.wrapper import wrapper
from edgeship.toolchain.errors import RecipeError

ROOT = Path(__file__).parents[2]
LINE = 120
WORDPIECE = {"special": ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]}


def tensor(name: str, dtype: str = "float32", shape: tuple[Any, ...] = (1, 3, 32, 32)) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": shape}


def manifest(**changes: Any) -> Manifest:
    """A model of a picture, sound, a text and a number, with two outputs."""
    inputs = [
        tensor("image"), tensor("frame", shape=(1, 400)), tensor("input_ids", "int64", (1, 16)),
        tensor("attention_mask", "int64", (1, 16)), tensor("class", shape=(1, "steps")),
    ]  # fmt: skip
    text = {"tokenizer": "weights", "max_length": 16, "wordpiece": WORDPIECE}
    contract = {
        "inputs": {
            "image": {"resize": 40, "crop": [32, 32], "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
            "frame": {"sample_rate_hz": 16000, "frame": 400, "level": True},
            "input_ids": {**text, "output": "input_ids"},
            "attention_mask": {**text, "output": "attention_mask"},
        },
        "labels": ['a "cat"', "$dog?", "ü"],
        "logits": "class.logits",
    }
    numbers = {"dtype": "float32", "shape": [2, 1, 3], "sha256": "0"}
    outputs = [tensor("class.logits", shape=(1, 3)), tensor("return", shape=(1, 8))]
    artifact = {
        "name": "int8-onnx", "variant": "int8", "format": "onnx", "spec": "w8a8-static", "entry": "model.onnx",
        "files": [], "runtime": {"name": "onnxruntime", "minimum_version": "1.23"}, "abis": [], "inputs": inputs,
        "outputs": outputs, "size_bytes": 1, "min_sqnr_db": 30.0, "figures": [], "notes": [], "provenance": None,
    }  # fmt: skip
    about = {
        "schema": "edgeship-bundle/1", "name": "odd-one", "version": 1, "compatible": "x", "created_at": "x",
        "expires_at": "x", "artifacts": [artifact], "contract": contract, "licences": [], "files": [], "roots": [],
        "edgeship": "0",
        "golden": {
            "samples": 2, "inputs": {one["name"]: numbers for one in inputs}, "model": {},
            "outputs": {"int8-onnx": {one["name"]: numbers for one in outputs}},
            "files": [{"path": "golden/0.bin", "sha256": "0"}],
        },
    }  # fmt: skip
    return Manifest.model_validate({**about, **changes})


@pytest.mark.parametrize("language", LANGUAGES)
def test_wrappers_are_written_like_code_of_ours(language: str) -> None:
    files = render(wrapper(manifest(), None), LANGUAGES[language])
    assert len(files) == 2
    for name, text in files.items():
        assert "Written by edgeship codegen" in text[:400], name
        assert not [line for line in text.splitlines() if line != line.rstrip()], name
        assert "\n\n\n\n" not in text, name
        assert "Undefined" not in text
        long = [line for line in text.splitlines() if len(line) > LINE]
        assert long == [], name


def test_python_is_formatted_and_clean(tmp_path: Path) -> None:
    for labels in (["one"], ["a", "b"], [f"class number {number}" for number in range(300)]):
        contract = {**manifest().contract.model_dump(), "labels": labels}
        for name, text in render(wrapper(manifest(contract=contract), None), LANGUAGES["python"]).items():
            (tmp_path / name).write_text(text)
        for command in ("format --check", "check"):
            words = [*command.split(), "--config", str(ROOT / "pyproject.toml"), str(tmp_path)]
            done = subprocess.run([Path(sys.executable).with_name("ruff"), *words], capture_output=True, text=True)
            assert done.returncode == 0, done.stdout + done.stderr


def test_names_are_those_of_the_language_and_no_keywords() -> None:
    texts = {name: next(iter(render(wrapper(manifest(), None), LANGUAGES[name]).values())) for name in LANGUAGES}
    assert "class OddOne:" in texts["python"]
    assert (
        "def predict(self, image: Picture, frame: Array, text: str, class_: Array) -> OddOneAnswer:" in texts["python"]
    )
    assert "edgeship::Tensor return_;" in texts["cpp"]
    assert "val classLogits: Tensor," in texts["kotlin"]
    assert "`" not in texts["kotlin"]
    assert "public let return_: Tensor" in texts["swift"]
    assert '"\\$dog?"' in texts["kotlin"]
    assert '"$dog\\?"' in texts["cpp"]


TEXTS = {
    r"C:\foo": ('"C:\\\\foo"', '"C:\\\\foo"'),
    r"a\u0041b": ('"a\\\\u0041b"', '"a\\\\u0041b"'),
    r"x\bar": ('"x\\\\bar"', '"x\\\\bar"'),
    "x\by\fz": ('"x\\u0008y\\u000cz"', '"x\\u{8}y\\u{c}z"'),
    'a "quoted" one': ('"a \\"quoted\\" one"', '"a \\"quoted\\" one"'),
    "both \" and '": ('"both \\" and \'"', '"both \\" and \'"'),
    "$dog ${1}": ('"\\$dog \\${1}"', '"$dog ${1}"'),
    "\\(x) \\\\": ('"\\\\(x) \\\\\\\\"', '"\\\\(x) \\\\\\\\"'),
    "line\r\nand\ttab": ('"line\\r\\nand\\ttab"', '"line\\r\\nand\\ttab"'),
    "what??/ ??=": ('"what??/ ??="', '"what??/ ??="'),
    "žluťoučký 東京 😀": ('"žluťoučký 東京 😀"', '"žluťoučký 東京 😀"'),
    "\x1b1\x7f\x85": ('"\\u001b1\\u007f\\u0085"', '"\\u{1b}1\\u{7f}\\u{85}"'),
    "\u202e\u2028\U000e0001": ('"\\u202e\\u2028\\udb40\\udc01"', '"\\u{202e}\\u{2028}\\u{e0001}"'),
}
"""Labels, and their literals in Kotlin and in Swift."""


@pytest.mark.parametrize("text", TEXTS)
def test_a_label_is_the_same_text_in_each_language(text: str) -> None:
    assert ast.literal_eval(LANGUAGES["python"].string(text)) == text
    assert (LANGUAGES["kotlin"].string(text), LANGUAGES["swift"].string(text)) == TEXTS[text]


@needs_compiler
def test_a_compiler_of_cpp_reads_the_labels_as_they_are(tmp_path: Path) -> None:
    literals = ", ".join(map(LANGUAGES["cpp"].string, TEXTS))
    source = f"#include <cstdio>\nconst char* kAll[] = {{{literals}}};\n"
    source += 'int main() { for (const char* one : kAll) std::printf("%s%c", one, 0); }'
    (tmp_path / "labels.cpp").write_text(source)
    program = compiled(tmp_path / "labels.cpp", tmp_path / "labels", ["-trigraphs"])
    said = subprocess.run([program], capture_output=True, check=True).stdout
    assert said.decode().split("\0")[:-1] == list(TEXTS)


def test_a_test_has_samples_of_everything_that_an_app_gives() -> None:
    from parity_cases import CASED, trained

    from edgeship.calibration.wordpiece import wordpiece

    found = wordpiece(trained(CASED))
    assert found is not None
    files = samples(wrapper(manifest(), None), found[1])
    assert sorted(files) == [
        "frame.expected", "frame.samples", "image.expected", "image.rgba", "text.expected", "text.txt",
    ]  # fmt: skip
    assert len(files["image.expected"]) == 3 * 32 * 32 * 4
    assert len(files["text.expected"]) == files["text.txt"].count(b"\n") * 3 * 16 * 8


def test_what_no_wrapper_can_be_written_of_is_refused() -> None:
    plain = manifest()
    other = plain.artifacts[0].model_copy(update={"name": "float-onnx", "inputs": plain.artifacts[0].inputs[1:]})
    with pytest.raises(RecipeError, match="the inputs of int8-onnx and float-onnx are not the same"):
        wrapper(plain.model_copy(update={"artifacts": [plain.artifacts[0], other]}), None)
    with pytest.raises(RecipeError, match="3d: cannot be a class's name"):
        wrapper(manifest(name="3d"), None)
    with pytest.raises(RecipeError, match="odd: cannot be a class's name"):
        wrapper(plain, "odd")
    integers = plain.artifacts[0].inputs[0].model_copy(update={"dtype": "uint8"})
    wrong = plain.artifacts[0].model_copy(update={"inputs": [integers, *plain.artifacts[0].inputs[1:]]})
    with pytest.raises(RecipeError, match="image is uint8: a picture becomes float32"):
        wrapper(plain.model_copy(update={"artifacts": [wrong]}), None)


@pytest.mark.parametrize(
    "name", ['a """\nimport os', "a */ b", "/* a", "a\nb", "a\\", "a\u2028b", "it's", "`a`", "", "a\ud800"]
)
@pytest.mark.parametrize("place", ["bundle", "runtime", "input", "output", "dimension", "dtype"])
def test_a_name_that_would_be_read_as_code_is_refused(place: str, name: str) -> None:
    found = manifest()
    artifact = found.artifacts[0]
    odd = artifact.inputs[4].model_copy(update={"name": name})
    changed: dict[str, Any] = {
        "bundle": {},
        "runtime": {"runtime": artifact.runtime.model_copy(update={"name": name})},
        "input": {"inputs": [*artifact.inputs[:4], odd]},
        "output": {"outputs": [*artifact.outputs, odd]},
        "dimension": {"inputs": [odd.model_copy(update={"name": "class", "shape": (1, name)})]},
        "dtype": {"outputs": [odd.model_copy(update={"name": "class", "dtype": name})]},
    }[place]
    there = {"artifacts": [artifact.model_copy(update=changed)], **({"name": name} if place == "bundle" else {})}
    with pytest.raises(RecipeError, match="cannot stand in code"):
        wrapper(found.model_copy(update=there), "Odd")


def renamed(side: str, **names: str) -> Manifest:
    """The manifest with other names of inputs or outputs."""
    about = manifest().model_dump(mode="json", by_alias=True)
    for tensors in (one[side] for one in about["artifacts"]):
        for one in tensors:
            one["name"] = names.get(one["name"], one["name"])
    golden, contract = about["golden"], about["contract"]
    groups = [golden["inputs"], contract["inputs"]] if side == "inputs" else [*golden["outputs"].values()]
    for group in groups:
        for old, new in names.items():
            if old in group:
                group[new] = group.pop(old)
    contract["logits"] = names.get(contract["logits"], contract["logits"])
    return Manifest.model_validate(about)


@pytest.mark.parametrize("name", ["../../evil", "/evil", "a/b", "..", "c:d"])
def test_an_input_after_which_no_file_can_be_called_is_refused(name: str) -> None:
    for given in ("image", "frame"):
        with pytest.raises(RecipeError, match="no file can be called so"):
            wrapper(renamed("inputs", **{given: name}), None)
    assert wrapper(renamed("inputs", **{"class": name}), None), "a tensor that has no samples of its own"


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_that_the_templates_have_are_given_to_nothing_else(language: str) -> None:
    for name in ("best", "values", "labels", "k", "softmax", "floats"):
        found = wrapper(renamed("outputs", **{"class.logits": name}), None)
        text = next(iter(render(found, LANGUAGES[language]).values()))
        field = {"python": f"    {name}_: Array", "cpp": f"Tensor {name}_;", "kotlin": f"val {name}_: Tensor"}
        assert field.get(language, f"let {name}_: Tensor") in text
    for name in ("run", "predict", "tensor", "self", "encoded", "inputs"):
        found = wrapper(renamed("inputs", **{"class": name}), None)
        text = next(iter(render(found, LANGUAGES[language]).values()))
        predict = re.search(r"predict\((.*?)\)", text, re.DOTALL)
        assert predict is not None
        assert re.search(rf"\b{name}_\b", predict[1])
    for name in ("labels", "wordpiece", "samples", "tolerance"):
        found = wrapper(renamed("inputs", image=name), None)
        for text in render(found, LANGUAGES[language]).values():
            assert not re.search(rf"\b{name.upper()}(: ImageInput)? = ImageInput", text)


@needs_compiler
def test_a_compiler_of_cpp_takes_names_that_the_templates_have(tmp_path: Path) -> None:
    (tmp_path / "main.cpp").write_text('#include "odd_one.hpp"\nint main() { return sizeof(OddOne) == 0; }\n')
    for number, names in enumerate((("values", "tokenizer"), ("k", "model"))):
        found = wrapper(renamed("outputs", **{"class.logits": names[0]}), None)
        other = wrapper(renamed("inputs", **{"class": names[1]}), None)
        both = replace(other, outputs=found.outputs, scores=found.scores)
        (tmp_path / "odd_one.hpp").write_text(render(both, LANGUAGES["cpp"])["odd_one.hpp"])
        compiled(tmp_path / "main.cpp", tmp_path / f"main{number}", ["-fsyntax-only"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_two_names_that_become_one_are_refused(language: str) -> None:
    for side, old, new in (
        ("outputs", "class.logits", "Return"),
        ("inputs", "class", "text"),
        ("inputs", "class", "Image"),
    ):
        with pytest.raises(RecipeError, match=rf"{new}.*: are both \w+ in {language}"):
            render(wrapper(renamed(side, **{old: new}), None), LANGUAGES[language])


@pytest.mark.parametrize(
    "name", ["Json", "Board", "Model", "Artifact", "Numpy", "Golden", "Import", "Tensor", "NULL", "EdgeshipContract"]
)
def test_a_class_hides_nothing_that_wrappers_stand_on(name: str) -> None:
    with pytest.raises(RecipeError, match=f"{name}: is the name of something that wrappers stand on"):
        wrapper(manifest(), name)


@pytest.mark.parametrize("label", ["a\0b", "\ud800"])
def test_a_label_that_some_language_cannot_hold_is_refused(label: str) -> None:
    contract = manifest().contract.model_copy(update={"labels": (label,)})
    with pytest.raises(RecipeError, match="no label of text alone"):
        wrapper(manifest().model_copy(update={"contract": contract}), None)
