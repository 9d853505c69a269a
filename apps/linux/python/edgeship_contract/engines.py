"""What executes a model file here: ONNX Runtime, LiteRT or ExecuTorch, each imported when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Model(Protocol):
    """A loaded file."""

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """One call: inputs and outputs in the order of the artifact's."""
        ...


def load(
    runtime: str,
    file: Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    threads: int = 1,
    options: Mapping[str, Any] | None = None,
) -> Model:
    """Load a file of a runtime; tensors are found by these names where the file has them all, else by their places.

    ValueError for a runtime that is none of these three, or names that do not fit; ImportError where it is missing.
    """
    if runtime not in _MODELS:
        raise ValueError(f"{runtime}: not a runtime that is used here; {', '.join(_MODELS)} are")
    return _MODELS[runtime](file, inputs, outputs, threads, options or {})


def version(runtime: str) -> str:
    """The installed version of a runtime, as `board.verify.Device` wants it."""
    import importlib.metadata

    return importlib.metadata.version({"litert": "ai-edge-litert"}.get(runtime, runtime))


class _Onnx:
    """Options: graph_optimization (disable, basic, extended, all), config, custom_op_libraries (beside the model)."""

    def __init__(
        self, file: Path, inputs: Sequence[str], outputs: Sequence[str], threads: int, options: Mapping[str, Any]
    ) -> None:
        import onnxruntime

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        settings.inter_op_num_threads = 1
        level = options.get("graph_optimization", "all")
        settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.__members__[
            "ORT_DISABLE_ALL" if level == "disable" else f"ORT_ENABLE_{level.upper()}"
        ]
        for library in options.get("custom_op_libraries", []):
            settings.register_custom_ops_library(str(file.parent / library))
        for key, value in options.get("config", {}).items():
            if _is_needed(key):
                settings.add_session_config_entry(key, value)
        self._session = onnxruntime.InferenceSession(str(file), settings, providers=["CPUExecutionProvider"])
        self._inputs = _found(inputs, [tensor.name for tensor in self._session.get_inputs()])
        self._outputs = _found(outputs, [tensor.name for tensor in self._session.get_outputs()])

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        return list(self._session.run(self._outputs, dict(zip(self._inputs, inputs, strict=True))))


def _is_needed(entry: str) -> bool:
    """Whether a session's entry does more than cost time: where VNNI is, int8 products are exact without this one."""
    about = Path("/proc/cpuinfo")
    return entry != "session.x64quantprecision" or not about.exists() or "vnni" not in about.read_text()


class _LiteRt:
    def __init__(
        self, file: Path, inputs: Sequence[str], outputs: Sequence[str], threads: int, options: Mapping[str, Any]
    ) -> None:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        resolver = OpResolverType.AUTO if options.get("xnnpack", True) else plain
        self._interpreter = Interpreter(str(file), num_threads=threads, experimental_op_resolver_type=resolver)
        self._inputs = self._places("input", inputs)
        self._outputs = self._places("output", outputs)
        self._shapes: list[tuple[int, ...]] = []

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        if [array.shape for array in inputs] != self._shapes:
            self._shapes = [array.shape for array in inputs]
            for place, shape in zip(self._inputs, self._shapes, strict=True):
                self._interpreter.resize_tensor_input(place, shape, strict=False)
            self._interpreter.allocate_tensors()
        for place, array in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(place, array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(place) for place in self._outputs]

    def _places(self, side: str, wanted: Sequence[str]) -> list[int]:
        """By the signature's names where it has these, else by the graph's."""
        details = getattr(self._interpreter, f"get_{side}_details")()
        named = {detail["name"]: detail["index"] for detail in details}
        if len(self._interpreter.get_signature_list()) == 1:
            runner = self._interpreter.get_signature_runner()
            own = {name: detail["index"] for name, detail in getattr(runner, f"get_{side}_details")().items()}
            named = own if set(wanted) <= own.keys() else named
        return [named[name] for name in _found(wanted, list(named))]


class _ExecuTorch:
    """Through its Python bindings, which import torch."""

    def __init__(
        self, file: Path, inputs: Sequence[str], outputs: Sequence[str], threads: int, options: Mapping[str, Any]
    ) -> None:
        import torch
        from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
        from executorch.runtime import Runtime

        _unsafe_reset_threadpool(threads)
        self._tensor = torch.from_numpy
        self._program = Runtime.get().load_program(str(file))
        self._call = self._program.load_method("forward").execute

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        given = [self._tensor(np.ascontiguousarray(array)) for array in inputs]
        return [np.array(tensor.numpy()) for tensor in self._call(given)]


_MODELS: dict[str, Callable[..., Model]] = {"onnxruntime": _Onnx, "litert": _LiteRt, "executorch": _ExecuTorch}


def _found(wanted: Sequence[str], there: Sequence[str]) -> list[str]:
    if set(wanted) <= set(there):
        return list(wanted)
    if len(wanted) != len(there):
        raise ValueError(f"the file has {', '.join(there)}, not {', '.join(wanted)}")
    return list(there)
