"""Which operator makes an int8 file slower than its float twin, by the runtime's own profile of both.

ONNX Runtime and ExecuTorch time every operator, XNNPACK's included; LiteRT's wheel gives Python no profile.
"""

from __future__ import annotations

import json
import re
import statistics
import tempfile
import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

Times = dict[str, float]
"""Kind of operator → milliseconds of one inference, all of the kind together."""
RUNS = 40
NUMBERED = re.compile(r" #\d+$")
INTEGER_OR_FUSED = re.compile(r"^(QLinear|Nhwc|Fused|Q)(?=[A-Z])| \([^)]*\)")
"""What tells one kernel of an operator from another: QLinearConv and FusedConv, Convolution (NHWC, QC8) IGEMM."""


def slowed(runtime: str, ours: Path, plain: Path, inputs: Mapping[str, NDArray[Any]]) -> str | None:
    """The kind of operator that takes more time in `ours` than in `plain` by most, with both times.

    None where the runtime has no profile, or none takes more.
    """
    if runtime not in PROFILES:
        return None
    after, before = (PROFILES[runtime](file, inputs) for file in (ours, plain))
    return most_slowed(after, before)


def most_slowed(after: Times, before: Times) -> str | None:
    """The same for two profiles."""
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in after:
        kinds[INTEGER_OR_FUSED.sub("", name)].append(name)
    floats: Times = defaultdict(float)
    for name, time in before.items():
        floats[INTEGER_OR_FUSED.sub("", name)] += time
    lost = {kind: sum(after[name] for name in names) - floats[kind] for kind, names in kinds.items()}
    kind = max(lost, key=lambda each: lost[each], default=None)
    if kind is None or lost[kind] <= 0:
        return None
    names = sorted(kinds[kind], key=lambda name: -after[name])
    taken = sum(after[name] for name in names)
    return f"{names[0]} takes {taken:.3f} ms, in float {floats[kind]:.3f} ms"


def _onnx(file: Path, inputs: Mapping[str, NDArray[Any]]) -> Times:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    with tempfile.TemporaryDirectory() as folder:
        options.profile_file_prefix = f"{folder}/profile"
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        for _ in range(RUNS):
            session.run(None, dict(inputs))
        events = json.loads(Path(session.end_profiling()).read_text())
    durations: dict[tuple[str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            durations[event["args"]["op_name"], event["name"]].append(event["dur"] / 1e3)
    return _by_kind([(kind, times) for (kind, _), times in durations.items()])


def _executorch(file: Path, inputs: Mapping[str, NDArray[Any]]) -> Times:
    import torch
    from executorch.devtools import Inspector
    from executorch.extension.pybindings import portable_lib

    portable_lib._unsafe_reset_threadpool(1)
    program = portable_lib._load_for_executorch(str(file), enable_etdump=True)
    tensors = [torch.from_numpy(array) for array in inputs.values()]
    for _ in range(RUNS):
        program.forward(tensors)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it misses the values, which nobody asked for
        dump = f"{folder}/profile.etdump"
        program.write_etdump_result_to_file(dump)
        events = [event for block in Inspector(etdump_path=dump).event_blocks for event in block.events]
    # calls contain what they call; the method and its loading are no operators
    operators = [event for event in events if not event.name.endswith("_CALL") and "::" not in event.name]
    return _by_kind([(NUMBERED.sub("", event.name), event.perf_data.raw) for event in operators])


def _by_kind(times: Sequence[tuple[str, Sequence[float]]]) -> Times:
    found: Times = defaultdict(float)
    for kind, each in times:
        found[kind] += statistics.median(each)
    return found


PROFILES: dict[str, Callable[[Path, Mapping[str, NDArray[Any]]], Times]] = {
    "onnxruntime": _onnx,
    "executorch": _executorch,
}
