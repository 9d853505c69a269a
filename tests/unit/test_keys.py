"""Keys: what makes work be done again, and what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeship.toolchain import registry
from edgeship.toolchain.artifact import Contract, Tensor
from edgeship.toolchain.build import keys
from edgeship.toolchain.build.records import ProgramRecord
from edgeship.toolchain.build.store import Entry, Store
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.plugin import Dataset, Pass, Plugin, Signature, Target
from edgeship.toolchain.quant import FLOAT32
from edgeship.toolchain.recipe.plan import Data, Selection, Step

SIGNATURE = Signature((Tensor(name="x", dtype="float32", shape=(1, 4)),), ())
SOURCE = ModelSource.model_validate({"factory": "./net.py:build", "inputs": [{"name": "x", "shape": [1, 4]}]})


def program(content: str = "content", signature: Signature = SIGNATURE, **record: Any) -> Entry[ProgramRecord]:
    about = ProgramRecord(**{"signature": signature, "spec": "float32", "warnings": (), "seconds": 1.0, **record})
    return Entry("key", Path("anywhere"), "program", content, 1, {}, about)


def plugin(group: registry.Group, name: str, **options: Any) -> Plugin:
    return registry.load(group, name).model_validate(options)


def artifact_key(
    name: str = "onnx", content: str = "content", spec: str = "float32", labels: tuple[str, ...] = (), **options: Any
) -> str:
    target = plugin("targets", name, **options)
    assert isinstance(target, Target)
    return keys.artifact_key(target, program(content), Path(), spec, Contract(labels=labels), {})


def test_an_artifact_depends_on_target_options_program_and_spec() -> None:
    different = [
        artifact_key(), artifact_key("litert"), artifact_key(opset=22), artifact_key(content="other"),
        artifact_key(spec="float16"), artifact_key(labels=("cat",)),
    ]  # fmt: skip
    assert len(set(different)) == len(different)
    assert artifact_key() == artifact_key()


def test_how_a_program_was_made_does_not_matter_what_it_is_does() -> None:
    def key(entry: Entry[ProgramRecord]) -> str:
        step = plugin("passes", "cast-fp16")
        assert isinstance(step, Pass)
        return keys.step_key(Step("cast-fp16", step, FLOAT32), entry, Path(), {})

    assert key(program()) == key(program(seconds=99.0, warnings=("slow",), model={"digest": "other"}))
    assert key(program()) != key(program("other"))
    wider = Signature((Tensor(name="x", dtype="float32", shape=(1, 8)),), ())
    assert key(program()) != key(program(signature=wider))


def test_outputs_depend_on_the_samples_their_number_and_how_scales_are_chosen() -> None:
    different = [
        keys.outputs_key(program(), "data", None, False), keys.outputs_key(program(), "data", 16, False),
        keys.outputs_key(program(), "other", None, False), keys.outputs_key(program(), "data", 16, True),
    ]  # fmt: skip
    assert len(set(different)) == len(different)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    np.savez(tmp_path / "x.npz", x=np.ones((4, 1, 4), np.float32))
    dataset = plugin("datasets", "arrays", path=str(tmp_path / "x.npz"))
    assert isinstance(dataset, Dataset)
    return Data("arrays", dataset, Selection())


def test_data_depends_on_its_files_selection_and_the_inputs_they_must_fit(data: Data, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    first = keys.data_key(data, SOURCE, tmp_path, store)
    fewer = Data(data.name, data.dataset, Selection(samples=2))
    assert keys.data_key(fewer, SOURCE, tmp_path, store) != first
    wider = ModelSource.model_validate({"factory": "./net.py:build", "inputs": [{"name": "x", "shape": [1, 8]}]})
    assert keys.data_key(data, wider, tmp_path, store) != first
    assert keys.data_key(data, SOURCE, tmp_path, store) == first
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 1, 4), np.float32))
    assert keys.data_key(data, SOURCE, tmp_path, store) != first


def test_a_model_depends_on_its_code_wherever_its_folder_lies(tmp_path: Path) -> None:
    def key(folder: Path, code: str) -> str:
        folder.mkdir(exist_ok=True)
        (folder / "net.py").write_text(code)
        store = Store(tmp_path / "store")
        return keys.model_key(SOURCE, folder, [str(folder / "net.py")], store, {})

    assert key(tmp_path / "here", "a = 1") == key(tmp_path / "there", "a = 1")
    assert key(tmp_path / "here", "a = 1") != key(tmp_path / "there", "a = 2")


def test_a_plugin_of_another_version_is_another_plugin() -> None:
    kind = registry.load("passes", "cast-fp16")
    newer = type(kind.__name__, (kind,), {"version": kind.version + 1, "__module__": kind.__module__})
    assert keys.plugin_key(kind(), Path()) != keys.plugin_key(newer(), Path())
