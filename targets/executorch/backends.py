"""The backends that a program can be lowered to: their options, what they carry, and how they take their nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

if TYPE_CHECKING:
    from edgeship.toolchain.api import QuantSpec


class _Backend(BaseModel):
    """A backend is its own validated options plus its partitioners."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    delegate: ClassVar[str] = ""
    """Its name inside a .pte."""
    schemes: ClassVar[frozenset[str]] = frozenset()
    """The specs it carries, as in `Target.schemes`."""
    alignment: ClassVar[int] = 128
    """Where each constant of a .pte begins, in bytes; ExecuTorch's default."""

    def partitioners(self, spec: QuantSpec) -> list[Any]:
        """Who picks its nodes, in order."""
        raise NotImplementedError


class Xnnpack(_Backend):
    """CPUs."""

    # what its serializer asks for: 128 would be zeros beside every small constant, 5% of a small network's file
    alignment: ClassVar[int] = 16
    delegate: ClassVar[str] = "XnnpackBackend"
    schemes: ClassVar[frozenset[str]] = frozenset({"float32", "float16", "w8a8-static", "w8a8-dynamic"})

    name: Literal["xnnpack"] = "xnnpack"

    def partitioners(self, spec: QuantSpec) -> list[Any]:
        """One partition per dynamic linear layer first: XNNPACK cannot quantize at run time inside a larger graph."""
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import (
            XnnpackDynamicallyQuantizedPartitioner,
            XnnpackPartitioner,
        )

        first = [XnnpackDynamicallyQuantizedPartitioner(per_op_mode=True)] if spec.has("dynamic") else []
        return [*first, XnnpackPartitioner()]


class Vulkan(_Backend):
    """GPUs of Android phones."""

    delegate: ClassVar[str] = "VulkanBackend"
    schemes: ClassVar[frozenset[str]] = frozenset({"float32", "w8a8-static"})

    name: Literal["vulkan"] = "vulkan"
    force_fp16: bool = Field(False, description="store and compute in float16")

    def partitioners(self, spec: QuantSpec) -> list[Any]:
        """Its own."""
        from executorch.backends.vulkan.partitioner.vulkan_partitioner import VulkanPartitioner

        return [VulkanPartitioner({"force_fp16": True} if self.force_fp16 else {})]


class Portable(_Backend):
    """ExecuTorch's own reference kernels, which take whatever no other backend does; for tests only."""

    alignment: ClassVar[int] = Xnnpack.alignment
    schemes: ClassVar[frozenset[str]] = Xnnpack.schemes

    name: Literal["portable"] = "portable"

    def partitioners(self, spec: QuantSpec) -> list[Any]:
        """None: what nobody takes is theirs."""
        return []


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Backend = Annotated[Xnnpack | Vulkan | Portable, Field(discriminator="name")]
AnyBackend = Annotated[Backend, BeforeValidator(_named, json_schema_input_type=str | Backend)]
"""A backend's name, or a table of its name and options."""
