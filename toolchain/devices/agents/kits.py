"""What the C++ runner of each runtime is made of: the libraries of its wheel, and the headers where it brings any."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from edgeship.toolchain.api import MissingError


@dataclass(frozen=True)
class Kit:
    """One runtime's part of the runner."""

    runtime: str
    """As in bench-job/1; apps/agents/native has an Engine of this name."""
    title: str
    distribution: str
    package: str
    """The folder of the installed wheel."""
    libraries: tuple[tuple[str, str], ...]
    """Files in the package, and the names under which they are loaded; VERSION stands for the distribution's."""
    flags: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    """Folders of headers in the package."""
    release: str = ""
    """Another version than the installed one."""

    @property
    def version(self) -> str:
        """The installed distribution's, where no other is wanted."""
        return self.release or version(self.distribution)

    def folder(self) -> Path:
        """The installed package; MissingError where it is not there, or brings no libraries."""
        for place in places(self.package):
            if all((place / file).exists() for file in (*self.files(), *self.includes)):
                return place
        raise MissingError(
            f"this {self.distribution} brings no C++ libraries", f"pip install {self.distribution} on Linux"
        )

    def files(self) -> dict[str, str]:
        """The libraries in the package → the names under which they are loaded."""
        return {file.replace("VERSION", self.version): name for file, name in self.libraries}


def places(package: str) -> list[Path]:
    """The folders of an installed package, which is not imported for it."""
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or [] if spec else [])]


_EXECUTORCH = (
    "libexecutorch.so",
    "libexecutorch_kernels_optimized.so",
    "libexecutorch_kernels_quantized.so",
    "libexecutorch_backend_xnnpack.so",
    "libexecutorch_threadpool.so",
)
EXECUTORCH = Kit(
    runtime="executorch",
    title="ExecuTorch",
    distribution="executorch",
    package="executorch",
    libraries=tuple((f"lib/{name}", name) for name in _EXECUTORCH),
    # the wheel's own build settings: its headers only fit its libraries with these
    flags=("-DC10_USING_CUSTOM_GENERATED_MACROS", "-DET_EVENT_TRACER_ENABLED", "-DET_USE_THREADPOOL"),
    includes=("include", "include/executorch/runtime/core/portable_type/c10"),
)
ONNXRUNTIME = Kit(
    runtime="onnxruntime",
    title="ONNX Runtime",
    distribution="onnxruntime",
    package="onnxruntime",
    libraries=(("capi/libonnxruntime.so.VERSION", "libonnxruntime.so.1"),),
)
LITERT = Kit(
    runtime="litert",
    title="LiteRT",
    distribution="ai-edge-litert",
    package="ai_edge_litert",
    libraries=(("libLiteRt.so", "libLiteRt.so"),),
)
KITS = {kit.runtime: kit for kit in (EXECUTORCH, ONNXRUNTIME, LITERT)}
