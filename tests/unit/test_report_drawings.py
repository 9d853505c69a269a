"""Axes, Pareto front, strips, and what is recommended."""

from __future__ import annotations

import re

import pytest
from report_documents import SPECS, execution, line, report, stopped

from edgeship.toolchain.judge.limits import Threshold
from edgeship.toolchain.report import axes
from edgeship.toolchain.report.document import Execution
from edgeship.toolchain.report.pareto import against_latency, against_size, quality
from edgeship.toolchain.report.plots import Limit, Plot, Point, front, scatter
from edgeship.toolchain.report.strips import strips


@pytest.mark.parametrize(
    "values", [(97.2, 99.5), (0.016, 0.35), (3, 90_000), (5, 5), (-3, 120), (1, 1.0000001), (0, 0)]
)
def test_an_axis_holds_its_values_with_some_ticks_and_little_empty_room(values: tuple[float, float]) -> None:
    made = axes.axis(values, 0, 100)
    places = [made(value) for value in values]
    assert all(0 <= place <= 100 for place in places)
    assert 2 <= len(made.ticks) <= 9
    assert all(made.low <= tick <= made.high for tick in made.ticks)
    if values[1] > values[0] * 1.001:
        assert places[1] - places[0] > 80


def test_wide_ranges_are_logarithmic_and_nothing_lies_above_the_ceiling() -> None:
    assert axes.axis((1, 6), 0, 1).log
    assert not axes.axis((1, 4), 0, 1).log
    assert not axes.axis((-1, 600), 0, 1).log
    assert axes.axis((90, 100), 0, 1, ceiling=100).high == 100


def test_a_step_is_chosen_of_one_two_and_five() -> None:
    assert axes.linear_ticks(0.3, 1.1) == [0.4, 0.6, 0.8, 1.0]
    assert axes.log_ticks(0.9, 110) == [1, 2, 5, 10, 20, 50, 100]
    assert axes.log_ticks(0.9, 1100) == [1, 3, 10, 30, 100, 300, 1000]


def _point(x: float, y: float, passed: bool = True) -> Point:
    return Point(x, y, 0, 0, f"{x}", f"{x}: {y}", passed)


def test_the_front_holds_what_passed_and_is_better_than_all_that_is_cheaper() -> None:
    points = [_point(1, 50), _point(2, 40), _point(3, 50.5), _point(4, 80), _point(0.5, 99, passed=False)]
    assert [p.x for p in front(points)] == [1, 3, 4]
    assert [p.x for p in front(points, same=1.0)] == [1, 4]


def test_a_plot_names_its_front_its_limit_and_what_failed() -> None:
    points = [_point(1, 50), _point(2, 40), _point(4, 80), _point(3, -500, passed=False)]
    drawn = scatter(Plot(points, "ms", "dB", [Limit(45, "limit 45 dB")]))
    assert re.findall(r'class="label"[^>]*>([^<]*)<', drawn) == ["1", "4"]
    assert 'class="limit"' in drawn
    assert "limit 45 dB" in drawn
    assert drawn.count('class="mark c0 failed"') == 1
    assert 'class="front"' in drawn
    assert "-500" in drawn  # the true figure, under the pointer
    ticks = [float(text) for text in re.findall(r'text-anchor="end">([-\d.]+)<', drawn)]
    assert min(ticks) > 0  # a collapsed file must not squeeze the others


def test_a_label_covers_no_limit() -> None:
    lines = [line(variant, "onnx", execution(SPECS[variant], accuracy=None)) for variant in SPECS]
    drawn = scatter(against_size(report(lines))[0].plot)
    labels = [float(y) - 11 for y in re.findall(r'class="label" x="[^"]*" y="([^"]*)"', drawn)]
    limits = [float(y) for y in re.findall(r'<line class="limit" x1="[^"]*" x2="[^"]*" y1="([^"]*)"', drawn)]
    assert (len(labels), len(limits)) == (4, 3)
    assert [(top, limit) for top in labels for limit in limits if top < limit < top + 13] == []


def test_accuracies_within_sampling_error_are_no_plot_and_sqnr_is_drawn() -> None:
    same = report([line("float"), line("int8")])
    assert quality(same).metric is None
    assert "top1 is 99.3% for all that pass" in quality(same).note
    apart = report([line("float"), line("int8", "onnx", execution("w8a8-static", accuracy=0.95))])
    assert quality(apart).metric == "top1"
    [figure] = against_size(apart)
    assert [limit.text for limit in figure.plot.limits] == ["limit: float − 2 points"]
    assert figure.plot.limits[0].y == pytest.approx(97.5)


def test_sqnr_limits_are_those_of_the_numbers_drawn() -> None:
    pruned = line("qat", "onnx", execution("w8a8-static"))
    pruned.executions[0].threshold = Threshold(program_db=25, float_db=3, loss_db=2)
    pruned.changes_model = True
    lines = [line("float"), line("fp16"), line("int8"), line("int8-dynamic"), pruned]
    [figure] = against_latency(report(lines))
    assert [limit.text for limit in figure.plot.limits] == [
        "limit 15 dB: w8a8-static, w8a8-dynamic",
        "limit 40 dB: float16",
        "limit 60 dB: float32",
    ]


def test_nothing_executed_or_nothing_timed_draws_nothing() -> None:
    nothing = report([stopped("int8", "onnx", "unsupported", "no")])
    assert against_latency(nothing) == against_size(nothing) == []
    assert strips(nothing) is None
    unmeasured = report([line("float", "onnx", execution("float32", latency_ns=0))])
    assert against_latency(unmeasured) == []
    assert len(against_size(unmeasured)) == 1


def test_a_stall_does_not_squeeze_the_strips() -> None:
    stalled = execution("float32")
    stalled.measurements[0].sample_ns[7] = 9e9
    drawn = strips(report([line("float", "onnx", stalled)]))
    assert drawn is not None
    assert "M1000 " in drawn.rows[0].calls
    assert len({place for place in drawn.rows[0].calls.split("M") if place}) > 10
    assert float(drawn.rows[0].calls.split("M")[11].split()[0]) > 800  # the slowest but the stall


def _times(variant: str, **by_device: float) -> list[Execution]:
    return [execution(SPECS[variant], device, latency_ns=value) for device, value in by_device.items()]


def test_a_file_that_is_slower_on_one_device_is_not_beaten() -> None:
    lines = [
        line("float", "onnx", *_times("float", a=300e3, b=100e3)),
        line("int8", "onnx", *_times("int8", a=200e3, b=150e3)),
    ]
    report(lines)
    assert lines[0].dominated_by is None
    lines[1].executions[1] = _times("int8", b=90e3)[0]
    report(lines)
    assert lines[0].dominated_by == "int8"


def test_a_file_that_was_not_timed_is_not_the_fastest() -> None:
    lines = [line("float"), line("int8", "onnx", execution("w8a8-static", latency_ns=0))]
    report(lines)
    assert [one.recommended for one in lines] == [True, False]


def test_what_is_recommended_is_not_beaten() -> None:
    quicker = line("int8", "onnx", execution("w8a8-static", latency_ns=100e3, accuracy=0.98), size_bytes=27_000)
    better = line("int8-dynamic", "onnx", execution("w8a8-dynamic", latency_ns=101e3), size_bytes=27_000)
    report([quicker, better])
    assert (quicker.dominated_by, better.recommended) == ("int8-dynamic", True)
    assert not quicker.recommended


def test_a_file_slower_than_its_float_twin_names_the_operators_that_are_to_blame() -> None:
    twin = line("float", "onnx", execution("float32", latency_ns=1e6))
    slow = line("int8", "onnx", execution("w8a8-static", latency_ns=1.3e6))
    assert slow.artifact
    told = {"dtypes": {"int8": 20, "float32": 12}, "float_operators": {"HardSwish": 11, "Softmax": 1}}
    slow.artifact = slow.artifact.model_copy(update=told)
    report([twin, slow])
    assert slow.executions[0].slower_because == "11 HardSwish, 1 Softmax compute in float between conversions"
    assert (twin.recommended, slow.recommended) == (True, False)
