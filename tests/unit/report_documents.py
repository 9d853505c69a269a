"""Reports of many shapes, made up: what the page has to stand."""

from __future__ import annotations

from edgeship.toolchain.artifact import Artifact, Runtime, Tensor
from edgeship.toolchain.judge.limits import threshold
from edgeship.toolchain.judge.parity import Parity
from edgeship.toolchain.judge.task import MetricResult
from edgeship.toolchain.quant import parse
from edgeship.toolchain.report.compare import compare
from edgeship.toolchain.report.document import (
    DataFacts,
    Execution,
    Measurement,
    ModelFacts,
    Report,
    ReportLine,
    VerdictName,
    worst,
)

MACHINE = {"os": {"name": "linux", "version": "6.1"}, "cpu": {"arch": "aarch64", "cores": 4}, "model": "a board",
           "ram": 4e9}  # fmt: skip
SPECS = {"float": "float32", "fp16": "float16", "int8": "w8a8-static", "int8-dynamic": "w8a8-dynamic"}
SQNR_DB = {"float32": 120.0, "float16": 65.0, "w8a8-static": 36.0, "w8a8-dynamic": 48.0}
SIZES = {"float32": 240_000, "float16": 125_000, "w8a8-static": 27_000, "w8a8-dynamic": 80_000}
LATENCY_NS = {"float32": 300e3, "float16": 280e3, "w8a8-static": 207e3, "w8a8-dynamic": 350e3}


def artifact(spec: str, size_bytes: int, file: str = "model.onnx") -> Artifact:
    """A file of which only the figures matter."""
    tensor = Tensor(name="image", dtype="float32", shape=("batch", 1, 32, 32))
    return Artifact(
        format="onnx",
        file=file,
        spec=spec,
        runtime=Runtime(name="onnxruntime", minimum_version="1.20"),
        inputs=(tensor,),
        outputs=(Tensor(name="logits", dtype="float32", shape=("batch", 10)),),
        size_bytes=size_bytes,
        sha256="0" * 64,
        dtypes={"int8": 9} if "a8" in spec else {"float32": 9},
        weight_bytes={"int8": size_bytes - 2000} if "w8" in spec else {"float32": size_bytes - 2000},
    )


def parity(sqnr_db: float) -> Parity:
    """How near, nothing else."""
    return Parity(samples=16, sqnr_db=sqnr_db, worst_sample_sqnr_db=sqnr_db - 3, cosine=0.9999, max_abs=0.01)


def measurement(latency_ns: float) -> Measurement:
    """Five launches around a median."""
    return Measurement(
        agent="native",
        runtime="onnxruntime 1.32.0",
        threads=1,
        batch=1,
        inputs={"image": [1, 1, 32, 32]},
        latency_ns={"p50": latency_ns, "p90": latency_ns * 1.1},
        p50_interval_ns=(latency_ns * 0.98, latency_ns * 1.02),
        sample_ns=[latency_ns * (1 + 0.01 * (step % 11)) for step in range(50)],
        peak_rss_bytes=3_000_000,
        launches=5,
        samples=5000,
        file="measurements/one/000.json",
    )


def execution(
    spec: str,
    device: str = "local",
    verdict: VerdictName = "pass",
    accuracy: float | None = 0.993,
    samples: int = 200,
    latency_ns: float | None = None,
    sqnr_db: float | None = None,
) -> Execution:
    """One that ran."""
    latency_ns = LATENCY_NS[spec] if latency_ns is None else latency_ns
    metric = None
    if accuracy is not None:
        interval = (max(0.0, accuracy - 0.01), min(1.0, accuracy + 0.007))
        metric = MetricResult(name="top1", float_value=0.995, artifact=accuracy, interval=interval, samples=samples)
    return Execution(
        device=device,
        verdict=verdict,
        executed_by="onnxruntime 1.32.0 (cpu)",
        parity=parity(120),
        parity_float=parity(SQNR_DB[spec] if sqnr_db is None else sqnr_db),
        threshold=threshold(parse(spec), artifact(spec, 10_000), {}),
        metric=metric,
        measurements=[measurement(latency_ns)] if latency_ns else [],
    )


def line(
    variant: str = "float", target: str = "onnx", *executions: Execution, model: str = "net", size_bytes: int = 0
) -> ReportLine:
    """One that was built; without executions of its own it ran on `local` and passed."""
    spec = SPECS.get(variant, "w8a8-static")
    ran = list(executions) or [execution(spec)]
    return ReportLine(
        model=model,
        variant=variant,
        passes=[] if variant == "float" else [f"quantize-{variant}"],
        target=target,
        spec=spec,
        status="ok",
        verdict=worst(ran),
        executions=ran,
        path=f"artifacts/{model}-{variant}-{target}/model.onnx",
        artifact=artifact(spec, size_bytes or SIZES[spec]),
    )


def stopped(variant: str, target: str, status: str, reason: str, model: str = "net") -> ReportLine:
    """One that came to no file."""
    spec = SPECS.get(variant, "w8a8-static")
    fields = {"stage": target, "hint": "name another target"} if status == "failed" else {}
    return ReportLine.model_validate(
        {"model": model, "variant": variant, "passes": [], "target": target, "spec": spec, "status": status,
         "reason": reason, **fields}
    )  # fmt: skip


def report(lines: list[ReportLine], **fields: object) -> Report:
    """A compared report of these lines."""
    compare(lines)
    devices = dict.fromkeys(e.device for one in lines for e in one.executions) or {"local": None}
    tensor = Tensor(name="image", dtype="float32", shape=("batch", 1, 32, 32))
    data = {
        "calibration": DataFacts(source="python ./data.py:calibration", samples=128, classes=10),
        "evaluation": DataFacts(source="python ./data.py:evaluation", samples=200, classes=10),
    }
    models = [
        ModelFacts(name=name, inputs=[tensor], parameters=61_706, macs=3_401_000, data=data)
        for name in dict.fromkeys(one.model for one in lines)
    ]
    made = {
        "name": "digits",
        "created_at": "2026-11-24T20:00:00Z",
        "edgeship": "0.1.0",
        "quick": False,
        "models": models,
        "variants": list(dict.fromkeys(one.variant for one in lines)),
        "targets": list(dict.fromkeys(one.target for one in lines)),
        "devices": dict.fromkeys(devices, MACHINE),
        "host": MACHINE,
        "libraries": {"torch": "2.14.0"},
        "protocol": {"launches": 5, "seconds": 10.0},
        "lines": lines,
    }
    return Report.model_validate({**made, **fields})
