"""Device profiles: all can be read, and what their facts say of a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeship.toolchain import quant, registry
from edgeship.toolchain.advice import advise
from edgeship.toolchain.commands import fitting
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.profile import profile_named, profiles
from edgeship.toolchain.recipe import read as recipes

PROJECT = Path(__file__).parents[1] / "e2e" / "project"


def said(profile: str, runtime: str, spec: str, size_bytes: int | None = None) -> list[tuple[str, str]]:
    info = registry.runtimes()[runtime]
    return [(a.level, a.text) for a in advise(profile_named(profile), info, quant.parse(spec), size_bytes)]


def test_every_profile_is_whole_and_has_sources() -> None:
    assert len(profiles()) == 14
    for name, profile in profiles().items():
        assert name == name.lower()
        assert profile.sources
        assert sum(cluster.cores for cluster in profile.clusters) >= 1
    assert not profile_named("rpi-4").has_dot_product
    assert profile_named("rpi-5").has_dot_product


@pytest.mark.parametrize(
    ("profile", "runtime", "spec", "size_bytes", "level", "words"),
    [
        ("rpi-4", "executorch", "w8a8-static", None, "doubt", "no dot product"),
        ("rpi-5", "executorch", "w8a8-static", None, "fine", "nothing"),
        ("rpi-4", "executorch", "w8-weights", None, "fine", "nothing"),
        ("imx8mp", "onnxruntime", "float16", None, "doubt", "half the size, no speed"),
        ("pixel-8", "onnxruntime", "float16", None, "fine", "nothing"),
        ("pixel-8", "coreml", "float32", None, "stop", "there is no Core ML on android"),
        ("iphone-15", "coreml", "float32", None, "fine", "nothing"),
        ("stm32n6", "litert", "w8a8-static", None, "stop", "has no system"),
        ("android-go-low", "litert", "float32", 60_000_000, "doubt", "50 MB that a whole app"),
        ("rpi-4", "litert", "float32", 400_000_000, "doubt", "400 MB of 1 GB"),
        ("rpi-4", "litert", "float32", 1_400_000_000, "stop", "do not fit into 1 GB"),
    ],
)
def test_facts_say_what_will_not_fit(
    profile: str, runtime: str, spec: str, size_bytes: int | None, level: str, words: str
) -> None:
    [(found, text)] = said(profile, runtime, spec, size_bytes)
    assert found == level
    assert words in text


def test_a_recipe_is_advised_line_by_line_and_an_unknown_profile_is_named() -> None:
    text = (PROJECT / "recipe.toml").read_text().split("[variants]")[0]
    text += '[variants]\nfloat = []\nint8 = ["quantize-static"]\n[targets.onnx]\n[targets.coreml]\n'
    fits = fitting.of_recipe(recipes.parse(text, PROJECT), ["rpi-4"])
    assert [(line.rsplit("-", 2)[1:], advice.level) for _, line, advice in fits] == [
        (["float", "onnx"], "fine"),
        (["float", "coreml"], "stop"),
        (["int8", "onnx"], "doubt"),
        (["int8", "coreml"], "stop"),
    ]
    assert fitting.as_json(fits)[1]["text"] == "there is no Core ML on linux"
    with pytest.raises(RecipeError, match="no device profile 'rpi4'") as caught:
        profile_named("rpi4")
    assert caught.value.hint == "did you mean 'rpi-4'?"
