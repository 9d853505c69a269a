"""The names that plugins import; everything else is private. `import edgeship` is the face for users."""

from __future__ import annotations

from edgeship.toolchain.artifact import (
    Artifact,
    AudioInput,
    Backend,
    Contract,
    ImageInput,
    Placement,
    Quantization,
    Runtime,
    Tensor,
    TextInput,
    WordPiece,
    digest,
    size_bytes,
)
from edgeship.toolchain.cache import cache_root
from edgeship.toolchain.computing import Computing, by_dtype, in_float
from edgeship.toolchain.errors import (
    CrashError,
    DataError,
    DeviceError,
    EdgeshipError,
    ExportError,
    MissingError,
    RecipeError,
    UnsupportedError,
    first_line,
    missing_extra,
)
from edgeship.toolchain.inventory import MOST_EPSILON, Affine, Inventory, Setting, Weight, convolution
from edgeship.toolchain.link import Link
from edgeship.toolchain.model.culprit import conversion_error
from edgeship.toolchain.model.in_order import ORIGINS
from edgeship.toolchain.model.pooling import adaptive_maximum, explicit_averages, explicit_pools
from edgeship.toolchain.model.program import export, folded, rewritten
from edgeship.toolchain.model.recurrent import unrolled
from edgeship.toolchain.plugin import (
    Analysis,
    Context,
    Dataset,
    Device,
    Findings,
    Metric,
    ModulePass,
    ModuleToProgramPass,
    Need,
    Pass,
    Plugin,
    ProgramPass,
    Signature,
    Target,
)
from edgeship.toolchain.profile import profile_named
from edgeship.toolchain.protocol.files import JobFiles
from edgeship.toolchain.protocol.machine import DeviceFacts
from edgeship.toolchain.protocol.messages import Job, Mode, Result, Transport
from edgeship.toolchain.protocol.run import Instructions
from edgeship.toolchain.quant import FLOAT16, FLOAT32, W8_WEIGHTS, W8A8_DYNAMIC, W8A8_STATIC, QuantSpec
from edgeship.toolchain.quant import parse as parse_spec
from edgeship.toolchain.quantization.constants import float_scalars
from edgeship.toolchain.references import load_callable, source_file
from edgeship.toolchain.registry import runtime_info
from edgeship.toolchain.runtime import LASTING, TIMED, Agent, RuntimeInfo, python_agent, sources_digest
from edgeship.toolchain.samples import Array, Samples, load_samples
from edgeship.toolchain.shell import Shell

__all__ = [
    "FLOAT16",
    "FLOAT32",
    "LASTING",
    "MOST_EPSILON",
    "ORIGINS",
    "TIMED",
    "W8A8_DYNAMIC",
    "W8A8_STATIC",
    "W8_WEIGHTS",
    "Affine",
    "Agent",
    "Analysis",
    "Array",
    "Artifact",
    "AudioInput",
    "Backend",
    "Computing",
    "Context",
    "Contract",
    "CrashError",
    "DataError",
    "Dataset",
    "Device",
    "DeviceError",
    "DeviceFacts",
    "EdgeshipError",
    "ExportError",
    "Findings",
    "ImageInput",
    "Instructions",
    "Inventory",
    "Job",
    "JobFiles",
    "Link",
    "Metric",
    "MissingError",
    "Mode",
    "ModulePass",
    "ModuleToProgramPass",
    "Need",
    "Pass",
    "Placement",
    "Plugin",
    "ProgramPass",
    "QuantSpec",
    "Quantization",
    "RecipeError",
    "Result",
    "Runtime",
    "RuntimeInfo",
    "Samples",
    "Setting",
    "Shell",
    "Signature",
    "Target",
    "Tensor",
    "TextInput",
    "Transport",
    "UnsupportedError",
    "Weight",
    "WordPiece",
    "adaptive_maximum",
    "by_dtype",
    "cache_root",
    "conversion_error",
    "convolution",
    "digest",
    "explicit_averages",
    "explicit_pools",
    "export",
    "first_line",
    "float_scalars",
    "folded",
    "in_float",
    "load_callable",
    "load_samples",
    "missing_extra",
    "parse_spec",
    "profile_named",
    "python_agent",
    "rewritten",
    "runtime_info",
    "size_bytes",
    "source_file",
    "sources_digest",
    "unrolled",
]
