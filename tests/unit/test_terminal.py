"""What a terminal shows at each width: exactly these characters, and never less than all of them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.recipe.read import read
from edgeship.toolchain.report.bench import Bench, Benched, short_names
from edgeship.toolchain.report.document import Measurement, ModelFacts, Report, ReportLine, shared_warnings
from edgeship.toolchain.report.terminal import console, lists
from edgeship.toolchain.report.terminal.files import bench_view, inspection_view, verdict_view
from edgeship.toolchain.report.terminal.run import report_view
from edgeship.toolchain.report.terminal.table import Column, FittedTable
from edgeship.toolchain.report.terminal.timings import timings_view
from edgeship.toolchain.timing import Timing

PROJECT = Path(__file__).parents[1] / "e2e" / "project"
WIDTHS = (40, 60, 80, 100, 160)


def shown(view: Iterable[RenderableType], width: int) -> str:
    """The lines without the spaces that fill them up."""
    file = io.StringIO()
    console.show(view, on=Console(file=file, width=width, highlight=False))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines())


def measured(p50_ms: float, **more: Any) -> dict[str, Any]:
    return {
        "agent": "cpp", "runtime": "onnxruntime 1", "threads": 1, "batch": 1, "inputs": {"image": [1, 3, 16, 16]},
        "latency_ns": {"p50": p50_ms * 1e6, "p90": p50_ms * 1.2e6}, "p50_interval_ns": (p50_ms * 9e5, p50_ms * 1.1e6),
        "cold_ns": {"total": 9.8e6}, "peak_rss_bytes": 17_300_000, "flags": ["SHARED_HOST"], **more,
    }  # fmt: skip


def execution(device: str = "local", verdict: str = "pass", p50_ms: float | None = None, **more: Any) -> dict[str, Any]:
    parity = {"sqnr_db": 38.21, "worst_sample_sqnr_db": 30, "cosine": 1, "max_abs": 0.1, "samples": 64}
    metric = {"name": "top1", "float": 0.9885, "artifact": 0.9876, "interval": (0.98, 0.99), "samples": 5000}
    found = {"device": device, "verdict": verdict, "parity_float": parity, "metric": metric}
    return {**found, "measurements": [measured(p50_ms)] if p50_ms else [], **more}


def line(variant: str, target: str, *executions: dict[str, Any], size: int = 27_000, **more: Any) -> ReportLine:
    artifact = {
        "file": "model.bin", "format": target, "runtime": {"name": target, "minimum_version": "1"}, "spec": "float32",
        "dtypes": {},
        "inputs": [{"name": "image", "dtype": "float32", "shape": ["batch", 3, 16, 16]}], "outputs": [],
        "size_bytes": size, "sha256": "0" * 64,
    }  # fmt: skip
    found = {"model": "net", "variant": variant, "passes": [], "target": target, "spec": "float32", "status": "ok"}
    verdict = executions[0]["verdict"] if executions else None
    path = f"artifacts/net-{variant}-{target}/model.bin"
    about = {"artifact": artifact, "path": path} if executions else {}
    return ReportLine.model_validate({**found, **about, "verdict": verdict, "executions": executions, **more})


def report(*lines: ReportLine, devices: tuple[str, ...] = ("local",), **more: Any) -> Report:
    facts: dict[str, Any] = {"variants": [], "targets": [], "host": {}, "libraries": {}, "protocol": {}, "quick": False}
    models = [ModelFacts(name=name) for name in dict.fromkeys(line.model for line in lines)]
    return Report(
        **{**facts, "name": "r", "created_at": "", "edgeship": "", "folder": "runs/1", **more},
        devices={name: {} for name in devices}, models=models, lines=list(lines),
        warnings=shared_warnings(list(lines)),
    )  # fmt: skip


TYPICAL = report(
    line("float", "onnx", execution(p50_ms=0.0123), size=98_000),
    line(
        "int8", "onnx", execution(p50_ms=0.0147, latency_ratio=1.18, flags=["slower-than-float"]), size_ratio=0.28,
        recommended=True,
    ),
    line("int8", "coreml", execution(verdict="pass", executed_by="coremltools, reference")),
    line("int4", "coreml", status="unsupported", reason="Core ML carries no int4 activations"),
)  # fmt: skip


def test_a_wide_terminal_shows_one_table_and_what_to_ship_below_it() -> None:
    assert shown(report_view(TYPICAL), 160) == (
        "variant  target  verdict       top1   size  ÷ float  p50 ms  ÷ float     SQNR     peak  notes\n"
        "float    onnx    pass         98.8%  98 kB            0.012           38.2 dB  17.3 MB\n"
        "int8     onnx    pass         98.8%  27 kB    0.28×   0.015    1.18×  38.2 dB  17.3 MB  slower than float\n"
        "int8     coreml  pass         98.8%  27 kB                            38.2 dB           "
        "by reference evaluation\n"
        "int4     coreml  unsupported                                                            "
        "Core ML carries no int4 activations\n"
        "\n"
        "measured with threads 1, batch 1\n"
        "flags of all measurements: SHARED_HOST\n"
        "dynamic inputs measured as image 1x3x16x16\n"
        "ship this: net int8 → onnx: 27 kB (0.28× float), 0.015 ms (1.18× float), top1 98.8%\n"
        "  runs/1/artifacts/net-int8-onnx/model.bin\n"
        "4 lines: 3 pass, 1 unsupported\n"
        "Every file that was made here computes the same as the model"
    )


def test_what_does_not_fit_stands_in_a_further_table_in_the_order_of_importance() -> None:
    assert shown(report_view(TYPICAL), 60).splitlines()[:17] == [
        "variant  target  verdict       top1   size  ÷ float",
        "float    onnx    pass         98.8%  98 kB",
        "int8     onnx    pass         98.8%  27 kB    0.28×",
        "int8     coreml  pass         98.8%  27 kB",
        "int4     coreml  unsupported",
        "",
        "variant  target  p50 ms  ÷ float     SQNR     peak",
        "float    onnx     0.012           38.2 dB  17.3 MB",
        "int8     onnx     0.015    1.18×  38.2 dB  17.3 MB",
        "int8     coreml                   38.2 dB",
        "",
        "variant  target  notes",
        "int8     onnx    slower than float",
        "int8     coreml  by reference evaluation",
        "int4     coreml  Core ML carries no int4 activations",
        "",
        "measured with threads 1, batch 1",
    ]


LONG = ("efficientvit-segmentation-b2", "int8-percentile-9999-finetuned", "executorch")


def long_report(devices: tuple[str, ...]) -> Report:
    few = {"name": "top1", "float": 0.984, "artifact": 0.969, "interval": (0.9, 1), "samples": 64}
    model, variant, target = LONG
    here = [execution(d, p50_ms=12.34 + n, latency_ratio=0.69) for n, d in enumerate(devices)]
    there = [execution(d, verdict="not-executed", reasons=["no agent"]) for d in devices]
    rows = (
        line(variant, target, *here, size=123_456_789, size_ratio=0.27, recommended=True),
        line(variant, "coreai", execution(devices[0], metric=few, executed_by="reference")),
        line("float", target, *there, size=999_400_000),
    )
    return report(*(row.model_copy(update={"model": m}) for m in (model, "other-net") for row in rows), devices=devices)


@pytest.mark.parametrize(
    ("width", "devices"), itertools.product(WIDTHS, (("local",), ("local", "galaxy-s24-ultra-exynos")))
)
def test_no_width_costs_a_number_a_unit_or_a_name(width: int, devices: tuple[str, ...]) -> None:
    said = shown(report_view(long_report(devices)), width)
    assert "…" not in said
    words = said.split()
    path = "runs/1/artifacts/net-int8-percentile-9999-finetuned-executorch/model.bin"
    figures = ("98.8%", "12.3", "0.69×", "0.27×", "123", "MB", "999", "38.2", "dB", "17.3", "not-executed", path)
    for word in (*LONG, "other-net", *(devices if len(devices) > 1 else ()), *figures):
        assert word in words, (word, said)
    assert "96.9% of 64" in said
    assert "float 98.4% on the same 64" in " ".join(words)
    assert ("13.3" in words) is (len(devices) > 1)


@pytest.mark.parametrize("width", WIDTHS)
def test_a_table_is_never_wider_than_the_terminal_unless_one_name_alone_is(width: int) -> None:
    (table, *_) = report_view(long_report(("local",)))
    widest = max(map(cell_len, shown([table], width).splitlines()))
    assert widest <= max(width, sum(map(len, LONG)) + 2)


def test_keys_that_leave_no_room_make_each_row_a_block() -> None:
    table = FittedTable(
        [Column("model", "key"), Column("verdict"), Column("size", "figure")],
        [["a-name-of-some-length", "pass", "9 kB"]],
    )
    assert shown([table], 24) == "a-name-of-some-length\n  verdict: pass\n  size: 9 kB"
    assert shown([table], 30) == (
        "model                  verdict\n"
        "a-name-of-some-length  pass\n"
        "\n"
        "model                  size\n"
        "a-name-of-some-length  9 kB"
    )  # fmt: skip


def test_user_text_is_never_read_as_markup() -> None:
    assert shown([FittedTable([Column("a", "key"), Column("b", "text")], [["[red]", "[calibration]"]])], 40) == (
        "a      b\n[red]  [calibration]"
    )


def test_a_run_without_measuring_says_nothing_of_launches() -> None:
    said = shown(report_view(report(line("float", "onnx", execution()), measured=False, quick=True)), 80)
    assert said == (
        "variant  target  verdict   top1   size     SQNR\n"
        "float    onnx    pass     98.8%  27 kB  38.2 dB\n"
        "\n"
        "1 line: 1 pass\n"
        "Every file that was made here computes the same as the model"
    )


def test_what_went_wrong_and_what_was_warned_of_is_said_once_each() -> None:
    found = report(
        line(
            "float", "onnx", execution(verdict="unverifiable", reasons=["outputs hardly vary"], warnings=["synthetic"])
        ),
        line(
            "int8", "onnx", execution(verdict="fail", reasons=["SQNR is 3 dB"], warnings=["synthetic", "chance level"])
        ),
        line("int8", "coreml", execution(warnings=["synthetic"])),
        line("int8", "litert", status="failed", reason="operator Foo", hint="replace Foo", warnings=["synthetic"]),
    )
    said = shown(report_view(found), 160).splitlines()
    assert said[said.index("") + 1 :] == [
        "unverifiable: net float → onnx: outputs hardly vary",
        "fail: net int8 → onnx: SQNR is 3 dB",
        "failed: net int8 → litert: operator Foo",
        "  hint: replace Foo",
        "warning: net: synthetic",
        "warning: net int8 → onnx: chance level",
        "4 lines: 1 fail, 1 failed, 1 pass, 1 unverifiable",
        "2 of 4 lines must not ship",
    ]


def test_a_row_says_how_its_figures_came_about() -> None:
    slow = measured(20, notes=["Python fallback"], flags=["SHARED_HOST", "BIMODAL"], inputs={"image": [8, 3, 16, 16]})
    found = report(
        line("float", "onnx", execution(p50_ms=1)),
        line("float", "litert", execution(measurements=[slow, measured(5) | {"threads": 4}])),
        line("float", "coreai", execution(not_measured="no agent for coreai")),
        quick=True,
    )
    said = shown(report_view(found), 160).splitlines()
    assert [row.split("17.3 MB")[-1].strip() for row in said[1:3]] == ["", "Python fallback, BIMODAL"]
    assert said[3].endswith("not measured: no agent for coreai")
    assert said[5:10] == [
        "quick measurement: one launch each, figures compare within this run only",
        "measured with threads 1, batch 1; the HTML report also has threads 4, batch 1",
        "flags of all measurements: SHARED_HOST",
        "dynamic inputs measured as image 1x3x16x16: net float → onnx",
        "dynamic inputs measured as image 8x3x16x16: net float → litert",
    ]


def test_the_agreement_with_the_program_stands_beside_what_the_program_reaches_itself() -> None:
    near = {"sqnr_db": 48, "worst_sample_sqnr_db": 30, "cosine": 1, "max_abs": 0.1, "samples": 64}
    fixed = {"program_db": 25, "float_db": 15, "loss_db": 2}
    measured = {**fixed, "floor_db": 50.96}
    said = shown(
        report_view(
            report(
                line("a", "onnx", execution(parity=near, threshold=measured)),
                line("b", "onnx", execution(parity=near, threshold=fixed)),
            )
        ),
        160,
    )
    assert "48.0 dB (floor 51)" in said
    assert "48.0 dB (fixed)" in said


def test_two_metrics_have_a_column_each() -> None:
    cosine = {"name": "cosine", "float": 1, "artifact": 0.75, "interval": (0.7, 0.8), "samples": 64}
    said = shown(report_view(report(line("a", "onnx", execution()), line("b", "onnx", execution(metric=cosine)))), 160)
    assert said.splitlines()[:3] == [
        "variant  target  verdict   top1  cosine   size     SQNR",
        "a        onnx    pass     98.8%          27 kB  38.2 dB",
        "b        onnx    pass             75.0%  27 kB  38.2 dB",
    ]


def benched(*files: str) -> Bench:
    good = [Benched(file=file, measurement=Measurement.model_validate(measured(0.0123))) for file in files]
    return Bench(
        quick=False, protocol={}, device={}, files=[*good, Benched(file="c/gone.pte", error="died by SIGKILL")]
    )


def test_files_of_one_name_are_told_apart_by_the_shortest_end_of_their_paths() -> None:
    assert short_names(["/a/x/model.onnx", "/b/x/model.onnx", "/a/x/m.pte"]) == [
        "a/x/model.onnx", "b/x/model.onnx", "m.pte",
    ]  # fmt: skip
    assert short_names(["model.onnx", "old/model.onnx"]) == ["model.onnx", "old/model.onnx"]
    assert short_names(["model.onnx", "model.onnx"]) == ["model.onnx", "model.onnx"]


def test_bench_shows_what_it_measured_under_what_conditions() -> None:
    assert shown(bench_view(benched("a/model.onnx", "b/model.onnx")), 100) == (
        "file          p50 ms    95% interval  p90 ms  cold ms     peak  notes\n"
        "a/model.onnx   0.012  0.011 to 0.014   0.015     9.80  17.3 MB  SHARED_HOST\n"
        "b/model.onnx   0.012  0.011 to 0.014   0.015     9.80  17.3 MB  SHARED_HOST\n"
        "gone.pte                                                        died by SIGKILL\n"
        "\n"
        "measured with threads 1\n"
        "inputs: image 1x3x16x16"
    )
    assert "sample_ns" not in benched("a.onnx").summary()


def listed(width: int) -> dict[str, str]:
    """Every other command's table."""
    plugin = {"group": "passes", "name": "quantize-weights-of-an-outsider", "installed": False, "specs": []}
    check = {"what": "executorch-with-a-long-name", "found": "/opt/homebrew/bin/executorch-with-a-long-name"}
    about = {
        "file": "a.onnx", "format": "onnx", "size_bytes": 12_345, "inputs": [], "outputs": [], "dtypes": {},
        "backends": {"onnxruntime": {"CPUExecutionProvider": {"Conv": 2, "Gemm": 1}, "none": {}}},
        "operators": {"com.microsoft.QLinearGlobalAveragePool": 12}, "largest": [("features.0.conv.weight", 4_560)],
    }  # fmt: skip
    views = {
        "bench": bench_view(benched("a/model-with-a-long-name.onnx", "b/model-with-a-long-name.onnx")),
        "targets": lists.plugins_view([{**plugin, "install": "pip install guest", "options": {"bits": 1, "group": 2}}]),
        "doctor": lists.machine_view([{**check, "for": "what it is for", "remedy": "pip install 'edgeship[x]'"}]),
        "cache": lists.cache_view(Path("/home/somebody/.cache/edgeship"), 20_000_000_000, False, {"program": [4096]}),
        "inspect": inspection_view(about),
        "check": lists.plans_view(Path("a/long/path/recipe.toml"), read(PROJECT / "recipe.toml").plans),
    }
    return {name: shown(view, width) for name, view in views.items()}


@pytest.mark.parametrize("width", WIDTHS)
def test_every_other_table_keeps_its_words_too(width: int) -> None:
    titles = {"file", "kind", "name", "what", "operator", "largest", "constants"}  # which blocks do without
    complete = {name: set(text.split()) - titles for name, text in listed(400).items()}
    for name, text in listed(width).items():
        assert "…" not in text
        assert {word.rstrip(":") for word in complete[name]} <= {word.rstrip(":") for word in text.split()}, (
            name,
            text,
        )


def test_backends_are_said_in_words() -> None:
    assert "backends: onnxruntime (CPUExecutionProvider (Conv 2, Gemm 1))" in listed(100)["inspect"]
    assert listed(100)["cache"].endswith("/home/somebody/.cache/edgeship: 4.1 kB of at most 20.0 GB")


def test_a_file_made_elsewhere_is_judged_by_a_limit_that_is_said_to_be_fixed() -> None:
    near = {"sqnr_db": 48, "worst_sample_sqnr_db": 30, "cosine": 1, "max_abs": 0.1, "samples": 64}
    limits = {"program_db": 25, "float_db": 15, "loss_db": 2}
    found = Verdict.model_validate({"verdict": "pass", "against_float": near, "threshold": limits})
    assert "limit 15.0 dB (fixed: " in shown(verdict_view(Path("m.onnx"), found), 100)


def test_timings_say_what_took_longest_with_its_parts_and_what_each_kind_of_work_came_to() -> None:
    timings = [
        Timing(line="net", work="capture", wall_s=2, cpu_s=1.5, waited_s=0, peak_bytes=200_000_000),
        Timing(
            line="net-float-onnx", work="convert", wall_s=5, cpu_s=4, waited_s=3.2, parts={"convert": 4, "audit": 1}
        ),
        Timing(line="net-float-onnx", work="verify", wall_s=1, parts={"launch": 0.9, "load": 0.01}),
    ]
    said = shown(timings_view(report(timings=timings, seconds={"build and verify": 7.5})), 120)
    first, second, third = (one.split() for one in said.splitlines()[2:5])
    assert first == ["convert", "net-float-onnx", "5.0", "4.0", "3.2", "convert", "4.0,", "audit", "1.0"]
    assert second == ["capture", "net", "2.0", "1.5", "0.0", "200", "MB"]
    assert third == ["verify", "net-float-onnx", "1.0", "0.0", "launch", "0.9"]
    assert "work: convert 5.0 s, capture 2.0 s, verify 1.0 s; 5.5 s of CPU in the workers" in said
    assert "from start to end: build and verify 7.5 s" in said
