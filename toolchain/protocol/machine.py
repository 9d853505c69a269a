"""What a bench-result/1 tells of the machine: its facts, its state while running, its counters."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

Ns = Annotated[int, Field(ge=0, lt=2**53)]
Bytes = Annotated[int, Field(ge=0, lt=2**53)]
Count = Annotated[int, Field(ge=0)]
Timestamp = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT", json_schema_extra={"format": "date-time"})]
DType = Literal[
    "float32", "float16", "bfloat16", "float64", "int8", "uint8", "int16", "uint16", "int32", "int64", "bool"
]
COUNTERS = (
    *("vm_rss", "vm_hwm", "rss_anon", "rss_file", "vm_swap", "pss", "pss_swap", "private_dirty"),
    *("native_heap", "java_heap", "graphics", "phys_footprint", "phys_footprint_peak", "cgroup_current"),
    *("cgroup_peak", "js_heap", "wasm_memory", "gpu_buffer", "arena_used", "arena_size", "stack_peak"),
)
FLAGS = (
    *("DEBUG_BUILD", "EMULATOR", "ENG_BUILD", "LOW_BATTERY", "CHARGING", "POWER_SAVE", "THERMAL", "BACKGROUND"),
    *("NO_STEADY_STATE", "BIMODAL", "COARSE_TIMER", "FEW_SAMPLES", "FEW_PROCESSES", "CPU_FALLBACK", "PROFILED"),
    *("OUTPUT_MISMATCH", "PEAK_SAMPLED", "STALE_COUNTER", "INCOMPLETE", "SHARED_HOST", "WITHIN_RUN_ONLY"),
)


def _one_of(names: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise ValueError(f"not one of {', '.join(names)}")
        return name

    return AfterValidator(check)


Counters = Annotated[
    dict[Annotated[str, _one_of(COUNTERS)], Bytes],
    Field(json_schema_extra={"propertyNames": {"enum": list(COUNTERS)}}),
]
Flag = Annotated[str, _one_of(FLAGS), WithJsonSchema({"enum": list(FLAGS)})]


class Part(BaseModel):
    """Base of everything in a message: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid")


class OperatingSystem(Part):
    name: Literal["android", "ios", "ipados", "macos", "linux", "windows", "browser", "baremetal", "rtos"]
    version: str | None = None
    api_level: int | None = None
    build: str | None = None


class Cluster(Part):
    cores: int
    max_khz: int | None = None
    part: str | None = None


class Cpu(Part):
    arch: Literal["arm64", "armv7", "armv8m", "armv81m", "x86_64", "riscv64", "wasm"]
    cores: int | None = Field(None, ge=1)
    clusters: list[Cluster] | None = None
    features: list[str] | None = Field(None, json_schema_extra={"uniqueItems": True})


class DeviceFacts(Part):
    """The machine that executed; `id_hash` is salted, never the serial or UDID."""

    profile: str | None = None
    id_hash: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    soc: str | None = None
    os: OperatingSystem
    cpu: Cpu
    ram: Bytes | None = None
    accelerators: list[str] | None = None
    emulator: bool | None = None
    emulated_by: str | None = Field(None, description="what stands in for the machine, and its version")
    emulated_as: str | None = Field(None, description="the nearest CPU that it has to this one")
    rooted: bool | None = None


class Environment(Part):
    """The machine's state `t` nanoseconds after the run began; temperatures in degrees Celsius."""

    t: Ns
    thermal: Literal["none", "light", "moderate", "severe", "critical", "emergency", "shutdown"] | None = None
    headroom: float | None = None
    soc_c: float | None = None
    skin_c: float | None = None
    battery_c: float | None = None
    battery_pct: float | None = None
    charging: bool | None = None
    power_save: bool | None = None
    cpu_khz: list[int] | None = None


class Energy(Part):
    method: Literal["odpm", "fuel_gauge", "external", "rapl", "ina", "instruments"]
    joules: float
    idle_watts: float | None = None
    window: Ns


class Check(Part):
    """Outputs of this run against those expected."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    passed: bool | None = Field(None, alias="pass", description="absent: the agent did not compare")
    max_abs: float | None = None
    max_rel: float | None = None
    cosine: float | None = None
    nan: bool | None = None
    overflows: list[str] | None = Field(None, description="operators that made an infinity out of finite numbers")


class Operator(Part):
    name: str
    type: str | None = None
    backend: str | None = None
    ns: Ns
    calls: int | None = Field(None, description="executions in one call, which `ns` is of")


class Memory(Part):
    """Named OS counters, kept apart because they are not comparable with one another."""

    baseline: Counters | None = None
    loaded: Counters | None = None
    peak: Counters | None = None
    end: Counters | None = None
    peak_method: Literal["kernel", "sampled"] | None = None
    limit: Bytes | None = None
