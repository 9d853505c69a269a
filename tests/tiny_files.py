"""The tiny nets as files of every runtime, made by the plain exporters: what the agents' tests execute."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import models
import numpy as np

from edgeship.toolchain.artifact import Artifact, Runtime, Tensor, digest, size_bytes
from edgeship.toolchain.samples import Array

if TYPE_CHECKING:
    import torch

# net: names of its inputs, of its outputs, and which output is which input's next value
NETS: dict[str, tuple[list[str], list[str], dict[str, str]]] = {
    "conv_net": (["image"], ["logits"], {}),
    "streaming_net": (["frame", "state"], ["out", "next_state"], {"next_state": "state"}),
    "token_net": (["input_ids", "attention_mask"], ["pooled"], {}),
}
RUNTIMES = {
    "executorch": ("executorch", ".pte"),
    "onnx": ("onnxruntime", ".onnx"),
    "litert": ("litert", ".tflite"),
    "coreml": ("coreml", ".mlpackage"),
    "coreai": ("coreai", ".aimodel"),
    "torchscript": ("torch", ".pt"),
    "torchscript_lite": ("torch", ".ptl"),
    "torch": ("torch", ".pt2"),
}


@dataclass(frozen=True)
class TinyFile:
    """An artifact, the folder it is in, three rows of inputs and what eager torch answers to them."""

    artifact: Artifact
    folder: Path
    rows: list[dict[str, Array]]
    expected: list[dict[str, Array]]
    feedback: dict[str, str]

    def is_answered_by(self, outputs: list[dict[str, Array]]) -> None:
        """Assert that these rows of outputs are what eager torch answers, up to rounding."""
        assert [list(row) for row in outputs] == [list(row) for row in self.expected]
        for got, wanted in zip(outputs, self.expected, strict=True):
            for name, array in wanted.items():
                assert got[name].shape == array.shape
                np.testing.assert_allclose(got[name], array, rtol=1e-4, atol=1e-5)


class TinyFiles:
    """Makes each (net, format) once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.get = functools.cache(self._make)

    def _make(self, net: str, format: str) -> TinyFile:
        inputs, outputs, feedback = NETS[net]
        module, example = getattr(models, net)()
        rows, expected = _rows(module, inputs, outputs, feedback, example)
        runtime, suffix = RUNTIMES[format]
        path = self.folder / f"{net}{suffix}"
        _EXPORTERS[format](module, example, path, inputs, outputs)
        # LiteRT and Core AI keep integer inputs as int32
        narrow = {"int64": "int32"} if format in ("litert", "coreai") else {}
        artifact = Artifact(
            format=format,
            file=path.name,
            spec="float32",
            runtime=Runtime(name=runtime, minimum_version="0"),
            inputs=tuple(
                Tensor(name=name, dtype=narrow.get(str(array.dtype), str(array.dtype)), shape=array.shape)
                for name, array in rows[0].items()
            ),
            outputs=tuple(
                Tensor(name=name, dtype=str(array.dtype), shape=array.shape) for name, array in expected[0].items()
            ),
            size_bytes=size_bytes(path),
            sha256=digest(path),
            dtypes={},
        )
        return TinyFile(artifact, self.folder, rows, expected, feedback)


def _rows(
    module: torch.nn.Module,
    inputs: list[str],
    outputs: list[str],
    feedback: dict[str, str],
    example: tuple[torch.Tensor, ...],
) -> tuple[list[dict[str, Array]], list[dict[str, Array]]]:
    """The example and two variations of it, and eager answers with the state carried along."""
    import torch

    rows, expected = [], []
    held: dict[str, torch.Tensor] = {}
    for step in range(3):
        tensors = [held.get(name, tensor.roll(step, -1)) for name, tensor in zip(inputs, example, strict=True)]
        with torch.no_grad():
            answer = module(*tensors)
        answers = dict(zip(outputs, answer if isinstance(answer, tuple) else (answer,), strict=True))
        held = {taker: answers[giver] for giver, taker in feedback.items()}
        given = zip(inputs, tensors, strict=True)
        rows.append({name: tensor.numpy() for name, tensor in given if step == 0 or name not in feedback.values()})
        expected.append({name: tensor.numpy() for name, tensor in answers.items()})
    assert min(np.abs(array).max() for row in expected for array in row.values()) > 0.1
    return rows, expected


Exporter = Callable[["torch.nn.Module", "tuple[torch.Tensor, ...]", Path, list[str], list[str]], None]


def _executorch(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path, inputs: list[str], outputs: list[str]
) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    edge = to_edge_transform_and_lower(torch.export.export(module, example), partitioner=[XnnpackPartitioner()])
    path.write_bytes(edge.to_executorch().buffer)


def _onnx(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path, inputs: list[str], outputs: list[str]
) -> None:
    import torch

    program = torch.export.export(module, example)
    torch.onnx.export(program, dynamo=True, input_names=inputs, output_names=outputs, verbose=False).save(str(path))


def _litert(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path, inputs: list[str], outputs: list[str]
) -> None:
    import litert_torch

    litert_torch.convert(module, example).export(str(path))


def _coreml(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path, inputs: list[str], outputs: list[str]
) -> None:
    import coremltools
    import torch

    program = torch.export.export(module, example).run_decompositions({})
    names = [coremltools.TensorType(name=name) for name in outputs]
    target = coremltools.target.iOS17
    coremltools.convert(program, outputs=names, minimum_deployment_target=target).save(str(path))


def _coreai(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path, inputs: list[str], outputs: list[str]
) -> None:
    import torch
    from coreai_torch import TorchConverter, get_decomp_table

    program = torch.export.export(module, example).run_decompositions(get_decomp_table())
    converter = TorchConverter().add_exported_program(program, input_names=inputs, output_names=outputs)
    converter.to_coreai().save_asset(path)


def _torchscript(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path, inputs: list[str], outputs: list[str]
) -> None:
    import torch

    traced = torch.jit.freeze(torch.jit.trace(module, example))
    if path.suffix == ".ptl":
        traced._save_for_lite_interpreter(str(path))
    else:
        traced.save(str(path))


def _torch(
    module: torch.nn.Module, example: tuple[torch.Tensor, ...], path: Path, inputs: list[str], outputs: list[str]
) -> None:
    import torch

    torch.export.save(torch.export.export(module, example), path)


_EXPORTERS: dict[str, Exporter] = {
    "executorch": _executorch,
    "onnx": _onnx,
    "litert": _litert,
    "coreml": _coreml,
    "coreai": _coreai,
    "torchscript": _torchscript,
    "torchscript_lite": _torchscript,
    "torch": _torch,
}
