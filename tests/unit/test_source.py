"""Models in: the [model] table, loading, the signature, what is caught, and what a cache key sees."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from edgeship.toolchain.errors import EdgeshipError, ExportError, SourceError
from edgeship.toolchain.model.identity import code_files, identity, provenance
from edgeship.toolchain.model.load import load
from edgeship.toolchain.model.program import export, save
from edgeship.toolchain.model.signature import example, signature
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.samples import Samples

IMAGE = {"name": "image", "shape": [1, 3, 16, 16]}
CODE = """
    import torch
    from torch import nn
    import torch.nn.functional as F

    class Net(nn.Module):
        def __init__(self, width=8):
            super().__init__()
            self.conv = nn.Conv2d(3, width, 3)
            self.norm = nn.BatchNorm2d(width)
            self.head = nn.Linear(width, 4)

        def forward(self, image):
            return self.head(F.relu(self.norm(self.conv(image))).mean((2, 3)))

    def build(width=8):
        return Net(width)
"""


def write(folder: Path, code: str, name: str = "model.py") -> Path:
    file = folder / name
    file.write_text(textwrap.dedent(code))
    return file


def user_model(folder: Path, body: str, **options: Any) -> ModelSource:
    """A source whose build() answers Model(), with `body` as the class body's text."""
    head = "import torch\nfrom torch import nn\nimport torch.nn.functional as F\n"
    text = head + "class Model(nn.Module):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    (folder / "model.py").write_text(text + "\ndef build():\n    return Model()\n")
    return ModelSource(factory="./model.py:build", **{"inputs": [IMAGE], **options})


def test_a_factory_of_the_users_folder_is_loaded_in_eval_mode(tmp_path: Path) -> None:
    write(tmp_path, CODE)
    source = ModelSource(factory="./model.py:build", arguments={"width": 16}, inputs=[IMAGE])
    module = load(source, tmp_path)
    assert not any(part.training for part in module.modules())
    inputs = example(source)
    found = signature(source, module, inputs)
    assert [(t.name, t.dtype, t.shape) for t in found.inputs] == [("image", "float32", (1, 3, 16, 16))]
    assert [(t.name, t.dtype, t.shape) for t in found.outputs] == [("output", "float32", (1, 4))]
    assert module(*inputs)[0].abs().max() > 0.01


def test_a_torchvision_factory_takes_arguments() -> None:
    source = ModelSource(
        factory="torchvision.models:mobilenet_v3_small",
        arguments={"num_classes": 7},
        inputs=[{"name": "x", "shape": [1, 3, 64, 64]}],
    )
    module = load(source, Path())
    assert signature(source, module, example(source)).outputs[0].shape == (1, 7)
    assert identity(source, Path())["packages"].keys() == {"torch", "torchvision"}


def test_a_timm_factory_is_called_with_its_name() -> None:
    source = ModelSource(
        factory="timm:create_model",
        positional=["mobilenetv4_conv_small"],
        arguments={"num_classes": 5},
        inputs=[{"name": "x", "shape": [1, 3, 64, 64]}],
    )
    assert signature(source, load(source, Path()), example(source)).outputs[0].shape == (1, 5)


def test_a_transformers_output_keeps_its_names_and_dynamic_dimensions(tmp_path: Path) -> None:
    write(
        tmp_path,
        """
        from transformers import BertConfig, BertModel
        def build():
            return BertModel(BertConfig(vocab_size=50, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                        intermediate_size=64))
        """,
    )
    shape = ["batch", "tokens"]
    source = ModelSource(
        factory="./model.py:build",
        inputs=[
            {"name": "input_ids", "shape": shape, "dtype": "int64", "high": 49},
            {"name": "attention_mask", "shape": shape, "dtype": "int64", "low": 1, "high": 1, "keyword": True},
        ],
        dims={"batch": (1, 4), "tokens": (4, 64)},
    )
    module = load(source, tmp_path)
    inputs = example(source)
    found = signature(source, module, inputs)
    assert {t.name: t.shape for t in found.outputs} == {
        "last_hidden_state": ("batch", "tokens", 32),
        "pooler_output": ("batch", 32),
    }
    program = export(module, inputs, found)
    longer = (torch.randint(0, 50, (3, 9)), torch.ones(3, 9, dtype=torch.int64))
    torch.testing.assert_close(program.module()(*longer), module(*longer), rtol=1e-4, atol=1e-5)


def test_names_of_dict_and_named_tuple_outputs_are_kept_or_replaced(tmp_path: Path) -> None:
    body = """
        def forward(self, image):
            return {"boxes": image.mean(1), "scores": (image.amax((2, 3)), image.amin((2, 3)))}
    """
    source = user_model(tmp_path, body)
    module = load(source, tmp_path)
    names = [t.name for t in signature(source, module, example(source)).outputs]
    assert names == ["boxes", "scores_0", "scores_1"]
    renamed = user_model(tmp_path, body, outputs=["a", "b", "c"])
    assert [t.name for t in signature(renamed, module, example(source)).outputs] == ["a", "b", "c"]
    with pytest.raises(SourceError, match="names 2 outputs, the model has 3: boxes"):
        signature(user_model(tmp_path, body, outputs=["a", "b"]), module, example(source))


def test_streaming_state_is_part_of_the_signature(tmp_path: Path) -> None:
    body = """
        def forward(self, frame, state):
            new = torch.tanh(frame + state)
            return new.sum(1, keepdim=True), new
    """
    inputs = [{"name": "frame", "shape": [1, 8]}, {"name": "state_in", "shape": [1, 8]}]
    source = user_model(tmp_path, body, inputs=inputs, outputs=["speech", "state"], state={"state": "state_in"})
    assert signature(source, load(source, tmp_path), example(source)).state == {"state": "state_in"}
    wrong = source.model_copy(update={"state": {"stat": "state_in"}})
    with pytest.raises(SourceError, match="there is no output stat"):
        signature(wrong, load(wrong, tmp_path), example(wrong))


def test_a_size_that_follows_from_a_dynamic_one_is_found(tmp_path: Path) -> None:
    body = """
        def forward(self, audio):
            return audio[:, ::2] + 1, audio.mean(1), audio
    """
    inputs = [{"name": "audio", "shape": [1, "samples"]}]
    source = user_model(tmp_path, body, inputs=inputs, dims={"samples": (8, 64)})
    found = signature(source, load(source, tmp_path), example(source))
    assert [t.shape for t in found.outputs] == [(1, "output_0_1"), (1,), (1, "samples")]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "exactly one of `factory` and `program`"),
        ({"factory": "a:b", "program": "m.pt2"}, "exactly one of `factory` and `program`"),
        ({"program": "m.onnx"}, "a .pt2 or a TorchScript .pt, not m.onnx"),
        ({"program": "m.pt2", "weights": "w.pt"}, "a program has its own"),
        ({"factory": "a:b", "dims": {"n": (1, 4)}}, "dims.n stands in no input's shape"),
        ({"factory": "a:b", "inputs": [{"name": "x", "shape": ["n"]}]}, "dimension 'n' has no bounds"),
        ({"factory": "a:b", "inputs": [IMAGE, IMAGE]}, "two inputs are called 'image'"),
        ({"factory": "a:b", "outputs": ["image"]}, "'image' is an input and an output"),
        ({"factory": "a:b", "inputs": [{"name": "x", "shape": [0]}]}, "sizes are 1 or more"),
        (
            {"factory": "a:b", "inputs": [{**IMAGE, "keyword": True}, {"name": "y", "shape": [1]}]},
            "come after the positional ones",
        ),
        ({"factory": "a:b", "state": {"h": "nothing"}}, "there is no such input"),
        ({"factory": "a:b", "inputs": [{**IMAGE, "dtype": "int4"}]}, "dtype"),
        ({"factory": "a:b", "wieghts": "w.pt"}, "wieghts"),
    ],
)
def test_a_wrong_table_is_refused_before_torch_is_needed(table: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ModelSource(**{"inputs": [IMAGE], **table})
    assert message in str(caught.value)


def test_a_source_and_its_identity_need_no_torch(tmp_path: Path) -> None:
    write(tmp_path, CODE)
    script = f"""
        import sys
        from pathlib import Path
        from edgeship.toolchain.model.identity import identity
        from edgeship.toolchain.model.source import ModelSource
        source = ModelSource(factory="./model.py:build", inputs=[{IMAGE}])
        assert identity(source, Path({str(tmp_path)!r}))["files"].keys() == {{"model.py"}}
        assert "torch" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def forward(self, image):\n    return F.dropout(image, 0.5, training=True)", "answers differently"),
        ("def forward(self, image):\n    return image / 0 * 0", "NaN"),
        ("def forward(self, image):\n    return []", "no tensor"),
        ("def forward(self, image):\n    return 'text'", "a str where a tensor is needed"),
        ("def forward(self, image):\n    return image @ torch.ones(5, 5)", r"model\.py:6"),
        (
            """
            def __init__(self):
                super().__init__()
                self.norm = nn.BatchNorm2d(3)
            def forward(self, image):
                return F.batch_norm(image, self.norm.running_mean, self.norm.running_var, training=True)
            """,
            "a call changes the model's model.norm.running_mean",
        ),
    ],
)
def test_a_model_not_worth_converting_is_caught(tmp_path: Path, body: str, message: str) -> None:
    source = user_model(tmp_path, body)
    with pytest.raises(EdgeshipError, match=message) as caught:
        signature(source, load(source, tmp_path), example(source))
    assert caught.value.hint


def test_a_part_that_eval_does_not_reach_is_named(tmp_path: Path) -> None:
    body = """
        def __init__(self):
            super().__init__()
            self.drop = nn.Dropout()
            self.drop.train = lambda mode=True: self.drop
        def forward(self, image):
            return self.drop(image)
    """
    with pytest.raises(SourceError, match=r"eval\(\) leaves drop in train mode"):
        load(user_model(tmp_path, body), tmp_path)


def test_one_constant_output_and_tiny_outputs_are_warned_of(tmp_path: Path) -> None:
    said: list[str] = []
    source = user_model(tmp_path, "def forward(self, image):\n    return image * 1e-9, torch.ones(1, 4)")
    signature(source, load(source, tmp_path), example(source), said.append)
    assert said == [
        "output 'output_1' does not depend on the inputs: are the trained weights loaded?",
        "output 'output_0' is below 1e-06 everywhere: are the trained weights loaded?",
    ]


def test_sound_models_of_all_kinds_raise_no_alarm() -> None:
    from edgeship.toolchain.model import soundness
    from edgeship.toolchain.model.program import flatten
    from tests.models import conv_net, streaming_net, token_net

    for make in (conv_net, streaming_net, token_net):
        net, inputs = make()
        flat, said = flatten(net, len(inputs)), list[str]()
        soundness.check(flat, inputs, soundness.call(flat, inputs), said.append)
        assert not said


def test_a_factory_that_fails_says_where_and_what_it_takes(tmp_path: Path) -> None:
    write(tmp_path, CODE)
    with pytest.raises(SourceError, match="unexpected keyword argument 'widht'") as caught:
        load(ModelSource(factory="./model.py:build", arguments={"widht": 3}, inputs=[IMAGE]), tmp_path)
    assert "(width=8)" in caught.value.hint
    write(tmp_path, "def build():\n    return 3\n", "three.py")
    with pytest.raises(SourceError, match="answers a int"):
        load(ModelSource(factory="./three.py:build", inputs=[IMAGE]), tmp_path)


def test_the_first_sample_is_the_example_and_must_fit(tmp_path: Path) -> None:
    import numpy as np

    source = ModelSource(factory="./model.py:build", inputs=[IMAGE])
    images = np.random.default_rng(0).normal(size=(5, 1, 3, 16, 16)).astype(np.float32)
    torch.testing.assert_close(example(source, Samples({"image": images}))[0], torch.from_numpy(images[0]))
    with pytest.raises(SourceError, match=r"is declared float32 \[1, 3, 16, 16\], its data is float64"):
        example(source, Samples({"image": images.astype(np.float64)}))
    with pytest.raises(SourceError, match="the data has picture; the model takes image"):
        example(source, Samples({"picture": images}))


def test_a_saved_program_is_a_model(tmp_path: Path) -> None:
    write(tmp_path, CODE)
    python = ModelSource(factory="./model.py:build", inputs=[IMAGE])
    module, inputs = load(python, tmp_path), example(python)
    save(export(module, inputs, signature(python, module, inputs)), tmp_path / "model.pt2")
    source = ModelSource(program="model.pt2", inputs=[IMAGE], outputs=["logits"])
    again = load(source, tmp_path)
    found = signature(source, again, inputs)
    assert found.outputs[0].name == "logits"
    torch.testing.assert_close(again(*inputs), module(*inputs))
    torch.testing.assert_close(export(again, inputs, found).module()(*inputs), module(*inputs))

    content = (tmp_path / "model.pt2").read_bytes()
    (tmp_path / "model.pt2").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceError, match=r"model\.pt2: not a program"):
        load(source, tmp_path)


def test_a_quantized_program_is_not_quantized_twice(tmp_path: Path) -> None:
    class Quantized(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            q = torch.ops.quantized_decomposed.quantize_per_tensor(x, 0.1, 0, -128, 127, torch.int8)
            return torch.ops.quantized_decomposed.dequantize_per_tensor(q, 0.1, 0, -128, 127, torch.int8)

    importlib.import_module("torchao.quantization.pt2e.quantize_pt2e")  # registers the operators
    save(torch.export.export(Quantized(), (torch.randn(1, 3, 16, 16),)), tmp_path / "q.pt2")
    with pytest.raises(SourceError, match="quantized already"):
        load(ModelSource(program="q.pt2", inputs=[IMAGE]), tmp_path)


def test_a_torchscript_program_is_converted_or_refused_with_a_way_out(tmp_path: Path) -> None:
    from tests.models import conv_net

    net, inputs = conv_net()
    torch.jit.trace(net, inputs).save(tmp_path / "traced.pt")
    source = ModelSource(program="traced.pt", inputs=[IMAGE])
    module = load(source, tmp_path)
    torch.testing.assert_close(module(*inputs)[0], net(*inputs), rtol=1e-4, atol=1e-5)
    export(module, inputs, signature(source, module, inputs))

    (tmp_path / "cut.pt").write_bytes((tmp_path / "traced.pt").read_bytes()[:2000])
    with pytest.raises(SourceError, match=r"cut\.pt: not a TorchScript program"):
        load(ModelSource(program="cut.pt", inputs=[IMAGE]), tmp_path)

    torch.jit.script(Looping()).save(tmp_path / "loop.pt")
    with pytest.raises(ExportError, match="cannot convert this TorchScript") as caught:
        load(ModelSource(program="loop.pt", inputs=[IMAGE]), tmp_path)
    assert "as `factory`" in caught.value.hint


class Looping(torch.nn.Module):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        steps = 0
        while image.sum() < 100 and steps < 5:
            image = image * 2 + 1
            steps += 1
        return image


def test_every_file_the_users_code_imports_enters_the_identity(tmp_path: Path) -> None:
    write(tmp_path, "WIDTH = 4\n", "my_settings_of_width.py")
    write(
        tmp_path,
        "from my_settings_of_width import WIDTH\nfrom torch import nn\n" + "def build():\n"
        "    return nn.Conv2d(3, WIDTH, 3)\n",
    )
    source = ModelSource(factory="./model.py:build", inputs=[IMAGE])
    module = load(source, tmp_path)
    assert module is not None
    about = provenance(source, tmp_path)
    assert about["code"].keys() == {"model.py", "my_settings_of_width.py"}
    files = code_files(source, tmp_path)
    before = identity(source, tmp_path, files)
    write(tmp_path, "WIDTH = 5\n", "my_settings_of_width.py")
    assert identity(source, tmp_path, files) != before
    (tmp_path / "my_settings_of_width.py").unlink()
    assert identity(source, tmp_path, files)["code"]["my_settings_of_width.py"] == "missing"
