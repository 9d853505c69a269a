"""Wrappers of bundles whose contract is in the graph: an app gives bytes and takes probabilities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from test_codegen import manifest

from edgeship.apps.linux.python import edgeship_contract as reference
from edgeship.toolchain.bundle.manifest import Manifest
from edgeship.toolchain.codegen.render import LANGUAGES, render
from edgeship.toolchain.codegen.samples import HEIGHT, ORIENTATION, STRIDE, WIDTH, samples
from edgeship.toolchain.codegen.wrapper import wrapper
from edgeship.toolchain.errors import RecipeError

STORED = {"image": {"resize": 40, "crop": [32, 32], "colour": "bgr", "scale": 1.0, "layout": "hwc"}}
"""What is left of the picture where the contract is in the graph."""


def in_graph(said: dict[str, Any] | None = None, dtype: str = "uint8", runtime: str = "onnxruntime") -> Manifest:
    """The manifest with its picture as bytes, and probabilities instead of logits."""
    about = manifest().model_dump(mode="json", by_alias=True)
    contract, golden, artifact = about["contract"], about["golden"], about["artifacts"][0]
    contract |= {"logits": None, "probabilities": "class.logits"}
    contract["inputs"] |= said or STORED
    artifact["inputs"][0] |= {"dtype": dtype, "shape": [1, 32, 32, 3]}
    artifact["runtime"]["name"] = runtime
    golden["inputs"]["image"]["dtype"] = "uint8"
    return Manifest.model_validate(about)


CALLS = {
    "python": ("IMAGE.bytes(image)[None]", "same(IMAGE.bytes(picture)"),
    "cpp": ("image_input().bytes(image).batched()", "same(OddOne::image_input().bytes(picture)"),
    "kotlin": ("batched(IMAGE.bytes(image))", "same(OddOne.IMAGE.bytes(picture("),
    "swift": ("Self.tensor(Self.imageInput.bytes(image)", "same(OddOne.tensor(OddOne.imageInput.bytes(picture("),
}
"""Of the wrapper and of its golden test."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_the_contract_is_in_the_graph_an_app_gives_bytes_and_takes_probabilities(language: str) -> None:
    found = wrapper(in_graph(), None)
    assert (found.scores, found.logits, found.probabilities) == ("class.logits", False, True)
    class_, golden = render(found, LANGUAGES[language]).values()
    assert CALLS[language][0] in class_
    assert CALLS[language][1] in golden
    assert "uint8 [1, 32, 32, 3]" in class_
    assert "probabilit" in class_
    assert "softmax" not in class_
    assert "softmax(values)" in next(iter(render(wrapper(manifest(), None), LANGUAGES[language]).values()))


def test_samples_of_bytes_are_what_the_library_makes_of_the_picture() -> None:
    found = wrapper(in_graph(), None)
    alone = replace(found, parameters=found.parameters[:1])
    files = samples(alone, {})
    picture = reference.Picture(files["image.rgba"], WIDTH, HEIGHT, STRIDE, ORIENTATION)
    said = reference.ImageInput(**{**STORED["image"], "crop": (32, 32), "scale": 1 / 255, "layout": "chw"})
    made = np.frombuffer(files["image.expected"], np.uint8).reshape(32, 32, 3)
    assert np.array_equal(made.transpose(2, 0, 1) * np.float32(1 / 255), said.apply(picture))


@pytest.mark.parametrize(
    "changed", [{"scale": 0.5}, {"mean": [1.0]}, {"std": [1.0, 1.0, 2.0]}, {"layout": "chw"}], ids=str
)
def test_bytes_that_an_app_would_have_to_calculate_with_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="image is uint8: a picture becomes float32, or uint8 of scale 1") as caught:
        wrapper(in_graph({"image": {**STORED["image"], **changed}}), None)
    assert caught.value.hint == "leave the conversion to the model, or to [contract] in_graph = true"


def test_core_ml_takes_bytes_as_int32_and_shares_a_wrapper_with_files_that_take_bytes() -> None:
    apple = in_graph(dtype="int32", runtime="coreml")
    assert wrapper(apple, None).sources[0].tensor.dtype == "uint8"
    other = in_graph().artifacts[0].model_copy(update={"name": "int8-onnx"})
    both = apple.model_copy(update={"artifacts": [apple.artifacts[0], other]})
    assert len(wrapper(both, None).artifacts) == 2
    with pytest.raises(RecipeError, match="image is int32: a picture becomes float32"):
        wrapper(in_graph(dtype="int32"), None)
