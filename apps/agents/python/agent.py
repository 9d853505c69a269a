"""Executes one artifact as a bench-job/1 says and answers a bench-result/1.

    python -I agent.py JOB.json RESULT.json     exit code 0; 1 when the result carries an error; 2 when there is no
                                                result: standard error says why
    python -I agent.py --facts FACTS.json       what this machine is (the `device` part of a result)

One file that needs the standard library, numpy and the artifact's runtime, so that it runs wherever it is copied.
The protocol is in apps/protocol: what of a job this agent does not know, it refuses by name (UNSUPPORTED_JOB). The C++
agent in apps/agents/native follows the same steps.
"""

import time

FIRST_LINE_NS = time.clock_gettime_ns(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

import contextlib  # noqa: E402
import datetime  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import platform  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import threading  # noqa: E402
import uuid  # noqa: E402
from collections.abc import Callable, Iterable, Sequence  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

VERSION = "4"
SCHEMAS = ("bench-job/1",)
MODES = ("verify", "latency", "throughput", "sustained", "cold", "memory", "rounds", "profile")
# the fields that a job may list in `requires`
FIELDS = (
    *("outputs", "capture", "feedback", "runtime.options", "runtime.threads"),
    *("config.warmup", "config.measure", "config.pin_cpus", "config.interval_ns", "config.concurrency"),
)
STREAMS = range(1, 257)
# what runtimes choose kernels by, and whether this is a virtual machine, as /proc/cpuinfo spells it
CPU_FEATURES = {
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16"),
    *("avx512_fp16", "avx_vnni", "amx_int8", "amx_bf16", "hypervisor"),
    *("neon", "asimd", "fphp", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme", "sme2"),
}
Arrays = list[np.ndarray]
now = time.perf_counter_ns


# ---------------------------------------------------------------------------------------------------------- engines
class Engine:
    """One runtime. `start` imports it, `load` reads the file, `prepare` compiles or allocates for the first case;
    then `feed`, `invoke` and `fetch` in turn. Only `invoke` is timed.

    `inputs` and `outputs` are the model's names in order; `options` are the job's runtime.options."""

    name = ""

    def __init__(self, job: dict[str, Any], inputs: list[str]) -> None:
        self.inputs = inputs
        self.format: str = job["artifact"]["format"]
        self.outputs: list[str] = job.get("outputs", [])
        self.threads: int = job["runtime"].get("threads", 1)
        self.backend: str = job["runtime"].get("backend", "cpu")
        self.options: dict[str, Any] = job["runtime"].get("options", {})
        # what is verified must have the names an app will ask for; what is only timed may come from anywhere
        self.by_name = job["config"]["mode"] == "verify"
        self.profiled = job["config"]["mode"] == "profile"
        self.version = "unknown"
        self.planned_bytes: int | None = None

    def start(self) -> None: ...

    def load(self, path: str) -> None: ...

    def prepare(self, arrays: Arrays) -> None: ...

    def feed(self, arrays: Arrays) -> None: ...

    def invoke(self) -> None: ...

    def fetch(self) -> Arrays: ...

    def operators(self, calls: int) -> list[dict[str, Any]]:
        """What each operator took, where the engine was made to profile and was invoked `calls` times."""
        raise ValueError(f"{self.name} tells no profile")

    def name_outputs(self, names: Sequence[str], by_name: bool = False) -> list[int]:
        """Which of the file's outputs is each of the model's; by name where they are known, else by position."""
        if not self.outputs:
            self.outputs = list(names)
        return positions(self.outputs, names, "outputs", by_name)


def positions(wanted: Sequence[str], found: Sequence[str], what: str, by_name: bool = False) -> list[int]:
    """For each of `wanted` its index in `found`: by name if all are there, by position otherwise (not if `by_name`)."""
    if set(wanted) <= set(found):
        return [found.index(name) for name in wanted]
    if by_name or len(wanted) != len(found):
        raise ValueError(f"the file has the {what} {', '.join(found)}; the job asks for {', '.join(wanted)}")
    return list(range(len(found)))


class OnnxRuntime(Engine):
    """options: graph_optimization (disable, basic, extended, all), config (entries), custom_op_libraries (names
    of files beside the model)."""

    name = "onnxruntime"

    def start(self) -> None:
        import onnxruntime

        self.runtime = onnxruntime
        self.version = onnxruntime.__version__

    def load(self, path: str) -> None:
        session = self.runtime.SessionOptions()
        session.intra_op_num_threads = self.threads
        session.inter_op_num_threads = 1
        level = self.options.get("graph_optimization", "all").upper()
        session.graph_optimization_level = getattr(
            self.runtime.GraphOptimizationLevel, "ORT_DISABLE_ALL" if level == "DISABLE" else f"ORT_ENABLE_{level}"
        )
        for library in self.options.get("custom_op_libraries", []):
            session.register_custom_ops_library(str(Path(path).parent / library))
        for key, value in self.options.get("config", {}).items():
            session.add_session_config_entry(key, value)
        if self.profiled:
            session.enable_profiling = True
            self.profile = tempfile.TemporaryDirectory(prefix="edgeship-")
            session.profile_file_prefix = f"{self.profile.name}/profile"
        self.session = self.runtime.InferenceSession(path, session, providers=["CPUExecutionProvider"])
        self.names = [tensor.name for tensor in self.session.get_inputs()]
        self.take = positions(self.names, self.inputs, "inputs", self.by_name)
        found = [tensor.name for tensor in self.session.get_outputs()]
        self.wanted = [found[index] for index in self.name_outputs(found, self.by_name)]

    def feed(self, arrays: Arrays) -> None:
        self.fed = {name: arrays[index] for name, index in zip(self.names, self.take, strict=True)}

    def invoke(self) -> None:
        self.answer = self.session.run(self.wanted, self.fed)

    def fetch(self) -> Arrays:
        return self.answer

    def operators(self, calls: int) -> list[dict[str, Any]]:
        events = json.loads(Path(self.session.end_profiling()).read_text())
        end = "_kernel_time"
        nodes = [event for event in events if event.get("cat") == "Node" and event["name"].endswith(end)]
        # these contain what they execute
        timed = [event for event in nodes if event["args"]["op_name"] not in ("If", "Loop", "Scan")]
        rows = (
            (event["name"].removesuffix(end), event["args"]["op_name"], event["args"]["provider"], event["dur"] * 1000)
            for event in timed
        )
        return grouped(rows, calls)


class LiteRT(Engine):
    """XNNPACK is LiteRT's default on CPU; options: xnnpack (false: reference kernels)."""

    name = "litert"

    def start(self) -> None:
        try:
            from ai_edge_litert import interpreter

            package = "ai-edge-litert"
        except ModuleNotFoundError:  # what older boards have
            from tflite_runtime import interpreter

            package = "tflite-runtime"
        self.runtime = interpreter
        self.version = distribution_version(package)

    def load(self, path: str) -> None:
        kind = self.runtime.OpResolverType
        resolver = kind.AUTO if self.options.get("xnnpack", True) else kind.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self.interpreter = self.runtime.Interpreter(
            path, num_threads=self.threads, experimental_op_resolver_type=resolver
        )
        found_in, found_out = self.tensors("input"), self.tensors("output")
        order = positions(self.inputs, list(found_in), "inputs")
        self.slots = [list(found_in.values())[index] for index in order]
        order = self.name_outputs(list(found_out))
        self.answers = [list(found_out.values())[index] for index in order]

    def tensors(self, side: str) -> dict[str, int]:
        """Names and tensor indices: those of the only signature if its names are the model's, else the graph's."""
        details = getattr(self.interpreter, f"get_{side}_details")()
        graph = {detail["name"]: detail["index"] for detail in details}
        signatures = self.interpreter.get_signature_list()
        wanted = self.inputs if side == "input" else self.outputs
        if len(signatures) == 1:
            runner = self.interpreter.get_signature_runner()
            named = {name: detail["index"] for name, detail in getattr(runner, f"get_{side}_details")().items()}
            if set(wanted) <= set(named):
                return named
        return graph

    def prepare(self, arrays: Arrays) -> None:
        self.allocate(arrays)

    def allocate(self, arrays: Arrays) -> None:
        for slot, array in zip(self.slots, arrays, strict=True):
            self.interpreter.resize_tensor_input(slot, array.shape, strict=False)
        self.interpreter.allocate_tensors()
        self.shapes = [array.shape for array in arrays]

    def feed(self, arrays: Arrays) -> None:
        if [array.shape for array in arrays] != self.shapes:
            self.allocate(arrays)
        for slot, array in zip(self.slots, arrays, strict=True):
            self.interpreter.set_tensor(slot, array)

    def invoke(self) -> None:
        self.interpreter.invoke()

    def fetch(self) -> Arrays:
        return [self.interpreter.get_tensor(index) for index in self.answers]


class Torch(Engine):
    """TorchScript (.pt), its lite interpreter (.ptl) and exported programs (.pt2).

    Another backend than cpu is one of torch's engines of int8 kernels (qnnpack, onednn, x86), selected before loading,
    which packs the weights for it."""

    name = "torch"

    def start(self) -> None:
        import torch

        self.runtime = torch
        self.version = torch.__version__
        torch.set_num_threads(self.threads)
        torch.set_grad_enabled(False)
        if self.backend != "cpu":
            have = torch.backends.quantized.supported_engines
            if self.backend not in have:
                raise ValueError(f"this torch has no int8 kernels of {self.backend}; it has {', '.join(have)}")
            torch.backends.quantized.engine = self.backend
        if self.format == "torch":
            with contextlib.suppress(ImportError):  # registers the operators of quantized programs
                import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401

    def load(self, path: str) -> None:
        if self.format == "torch":
            self.module = self.runtime.export.load(path).module()
        elif self.format == "torchscript_lite":
            from torch.jit.mobile import _load_for_lite_interpreter

            self.module = _load_for_lite_interpreter(path)
        else:
            self.module = self.runtime.jit.load(path)

    def feed(self, arrays: Arrays) -> None:
        self.fed = [self.runtime.from_numpy(array) for array in arrays]

    def invoke(self) -> None:
        self.answer = self.module(*self.fed)

    def fetch(self) -> Arrays:
        found = [tensor.numpy() for tensor in flat(self.answer)]
        return [found[index] for index in self.name_outputs([f"output_{i}" for i in range(len(found))])]


class ExecuTorchPython(Engine):
    """The fallback where the native runner cannot be built; its bindings import torch."""

    name = "executorch"

    def start(self) -> None:
        import torch
        from executorch.extension.pybindings.portable_lib import _unsafe_reset_threadpool
        from executorch.runtime import Runtime

        self.torch = torch
        self.runtime = Runtime.get()
        self.version = distribution_version("executorch")
        _unsafe_reset_threadpool(self.threads)

    def load(self, path: str) -> None:
        if self.profiled:
            from executorch.extension.pybindings.portable_lib import _load_for_executorch

            self.traced = _load_for_executorch(path, enable_etdump=True)
            self.call = self.traced.forward
        else:
            self.program = self.runtime.load_program(path)

    def prepare(self, arrays: Arrays) -> None:
        if not self.profiled:
            self.call = self.program.load_method("forward").execute

    def feed(self, arrays: Arrays) -> None:
        self.fed = [self.torch.from_numpy(array) for array in arrays]

    def invoke(self) -> None:
        self.answer = self.call(self.fed)

    def fetch(self) -> Arrays:
        found = [tensor.numpy() for tensor in flat(self.answer)]
        return [found[index] for index in self.name_outputs([f"output_{i}" for i in range(len(found))])]

    def operators(self, calls: int) -> list[dict[str, Any]]:
        import warnings

        from executorch.devtools import Inspector

        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it misses the values, which nobody asked for
            self.traced.write_etdump_result_to_file(f"{folder}/profile.etdump")
            blocks = Inspector(etdump_path=f"{folder}/profile.etdump").event_blocks
        # calls contain what they call; the method and its loading are no operators
        events = [e for block in blocks for e in block.events if not e.name.endswith("_CALL") and "::" not in e.name]
        rows = (
            (event.name, event.name.partition(" (")[0].partition(" #")[0], "", milliseconds * 1e6)
            for event in events
            for milliseconds in event.perf_data.raw
        )
        return grouped(rows, calls)


class CoreAI(Engine):
    """Apple's Core AI runtime; on Linux it is an interpreter: numbers, never speed."""

    name = "coreai"

    def start(self) -> None:
        import asyncio

        from coreai import authoring, runtime

        self.authoring = authoring
        self.runtime = runtime
        self.version = distribution_version("coreai-core")
        self.loop = asyncio.new_event_loop()

    def load(self, path: str) -> None:
        self.executable = self.authoring.AIModelAsset.load(path).executable()  # kept: it owns temporary files
        self.model = self.loop.run_until_complete(self.executable.__aenter__())

    def prepare(self, arrays: Arrays) -> None:
        names = list(self.model.function_names)
        self.function = self.model.load_function("main" if "main" in names else names[0])
        self.names = list(self.function.desc.input_names)
        self.take = positions(self.names, self.inputs, "inputs", self.by_name)
        found = list(self.function.desc.output_names)
        self.wanted = [found[index] for index in self.name_outputs(found, self.by_name)]

    def feed(self, arrays: Arrays) -> None:
        self.fed = {
            name: self.runtime.NDArray(arrays[index]) for name, index in zip(self.names, self.take, strict=True)
        }

    def invoke(self) -> None:
        self.answer = self.loop.run_until_complete(self.function(inputs=self.fed))

    def fetch(self) -> Arrays:
        return [self.answer[name].numpy() for name in self.wanted]


class CoreML(Engine):
    """Apple's Core ML through coremltools: macOS only. options: compute_units (ALL, CPU_ONLY, CPU_AND_NE, …)."""

    name = "coreml"

    def start(self) -> None:
        import coremltools

        self.runtime = coremltools
        self.version = platform.mac_ver()[0]

    def load(self, path: str) -> None:
        units = self.runtime.ComputeUnit[self.options.get("compute_units", "ALL")]
        self.model = self.runtime.models.MLModel(path, compute_units=units)
        spec = self.model.get_spec().description
        self.names = [tensor.name for tensor in spec.input]
        self.take = positions(self.names, self.inputs, "inputs", self.by_name)
        found = [tensor.name for tensor in spec.output]
        self.wanted = [found[index] for index in self.name_outputs(found, self.by_name)]

    def feed(self, arrays: Arrays) -> None:
        self.fed = {name: arrays[index] for name, index in zip(self.names, self.take, strict=True)}

    def invoke(self) -> None:
        self.answer = self.model.predict(self.fed)

    def fetch(self) -> Arrays:
        return [np.asarray(self.answer[name]) for name in self.wanted]


ENGINES: dict[str, type[Engine]] = {
    engine.name: engine for engine in (OnnxRuntime, LiteRT, Torch, ExecuTorchPython, CoreAI, CoreML)
}


def flat(value: Any) -> Iterable[Any]:
    """The tensors of a tensor or of nested tuples, lists and dicts, in order."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in flat(item)]
    return [value]


def grouped(timed: Iterable[tuple[str, str, str, float]], calls: int) -> list[dict[str, Any]]:
    """(name, type, backend, nanoseconds) of every execution → one row for each name, of one call.

    The mean, as runtimes count in whole microseconds, and most executions of a small operator take none; without what
    was interrupted: what took a quarter and a tick longer than the median.
    """
    rows: dict[tuple[str, str, str], list[float]] = {}
    for name, kind, backend, taken in timed:
        rows.setdefault((name, kind, backend), []).append(taken)
    told = []
    for (name, kind, backend), each in rows.items():
        times = max(1, round(len(each) / calls))
        longest = 1.25 * statistics.median(each) + 1000
        typical = statistics.fmean(taken for taken in each if taken <= longest)
        row = {"name": name, "type": kind, "ns": round(typical * times), "calls": times}
        told.append({**row, "backend": backend} if backend else row)
    return told


def distribution_version(name: str) -> str:
    from importlib.metadata import version

    return version(name)


# ------------------------------------------------------------------------------------------------------------ steps
def execute(job: dict[str, Any], folder: Path, engine: Engine, run: dict[str, Any]) -> None:
    """Fill in `run`: cold start in its parts, then what the mode asks for. Any failure becomes run["error"]."""
    config = job["config"]
    mode = config["mode"]
    path = str(folder / job["artifact"]["path"])
    cold = run["cold"]
    phase = "start"
    try:
        pin(config.get("pin_cpus"))
        first = read_case(job["cases"][0], folder)
        if mode == "cold":
            cold["page_cache"] = drop_page_cache(path)
        if mode == "memory":
            run["memory"] = {"baseline": reset_peak_memory()}
        if mode in ("sustained", "rounds"):
            phase = "measure"
            if mode == "sustained":
                engines = [fresh(job, path, first) for _ in range(config.get("concurrency", 1))]
                run["windows"] = sustained(engines, config["measure"]["max_ns"], config["interval_ns"])
            else:
                run["resident"] = rounds(job, path, first, config["measure"]["max_iters"])
            return
        step(cold, "runtime_init", engine.start)
        phase = "load"
        step(cold, "load", lambda: engine.load(path))
        step(cold, "prepare", lambda: engine.prepare(first))
        if mode == "memory":
            run["memory"]["loaded"] = memory_counters()
        if mode in ("latency", "throughput"):
            phase = "warmup"
            engine.feed(first)
            step(cold, "first_inference", engine.invoke)
            gc.collect()
            gc.disable()  # a collection in the middle of a sample would be ours, not the model's
            run["warmup"], run["warmup_stop"] = warm_up(lambda: timed(engine.invoke), config["warmup"])
            phase = "measure"
            if mode == "latency":
                measure(engine, job, folder, run)
            else:
                run["window"], run["completed"] = throughput(engine.invoke, config["measure"])
            gc.enable()
        if mode == "profile":
            phase = "measure"
            engine.feed(first)
            calls = config["measure"]["min_iters"]
            for _ in range(calls):
                engine.invoke()
            run["ops"] = engine.operators(calls)
        phase = "collect"
        if mode in ("verify", "memory", "cold") or job.get("capture"):
            play(engine, job, folder, run)
        if mode == "memory":
            run["memory"] |= {"peak": memory_counters(), "peak_method": "kernel"}
    except Exception as error:
        run["error"] = {"phase": phase, "message": f"{type(error).__name__}: {error}"}


def fresh(job: dict[str, Any], path: str, first: Arrays) -> Engine:
    """An engine that has loaded the file and its inputs."""
    names = [tensor["name"] for tensor in job["cases"][0]]
    engine = ENGINES[job["runtime"]["name"]](job, names)
    engine.start()
    engine.load(path)
    engine.prepare(first)
    engine.feed(first)
    return engine


def sustained(engines: Sequence[Engine], length: int, interval: int) -> list[dict[str, int]]:
    """Calls of all engines at once, one after another in each, by the window that they end in."""
    windows = max(1, length // interval)
    counts = [[0] * windows for _ in engines]
    start = now()

    def stream(engine: Engine, own: list[int]) -> None:
        while True:
            engine.invoke()
            window = (now() - start) // interval
            if window >= windows:
                return
            own[window] += 1

    threads = [threading.Thread(target=stream, args=each) for each in zip(engines[1:], counts[1:], strict=True)]
    for thread in threads:
        thread.start()
    stream(engines[0], counts[0])
    for thread in threads:
        thread.join()
    totals = (sum(own[window] for own in counts) for window in range(windows))
    return [{"t": i * interval, "length": interval, "completed": total} for i, total in enumerate(totals)]


def rounds(job: dict[str, Any], path: str, first: Arrays, count: int) -> list[int]:
    """What the process holds after each round of loading, one call and unloading: bytes."""
    resident = []
    for _ in range(count):
        engine = fresh(job, path, first)
        engine.invoke()
        del engine
        gc.collect()
        resident.append(memory_counters()["vm_rss"])
    return resident


def pin(cpus: Sequence[int] | None) -> None:
    """Use these CPUs only, in every thread that begins after this."""
    if not cpus:
        return
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if not set(cpus) <= allowed:
        wanted = ", ".join(map(str, sorted(set(cpus) - allowed)))
        has = ", ".join(map(str, sorted(allowed))) or "none by number on this system"
        raise ValueError(f"cannot pin to CPU {wanted}: this process may use {has}")
    os.sched_setaffinity(0, cpus)


def refusal(job: dict[str, Any]) -> str:
    """Which field of a job this agent cannot do, and what it can; empty where it can do the job."""
    config = job["config"]
    asked: dict[str, tuple[Any, Iterable[Any]]] = {
        "schema": (job.get("schema"), SCHEMAS),
        "runtime.name": (job["runtime"]["name"], ENGINES),
        "config.mode": (config["mode"], MODES),
        "config.timed_region": (config.get("timed_region", "invoke"), ("invoke",)),
        "config.inputs": (config.get("inputs", "file"), ("file",)),
        "config.concurrency": (config.get("concurrency", 1), (1,) if config["mode"] != "sustained" else STREAMS),
    }
    required = [("requires", (field, FIELDS)) for field in job.get("requires", [])]
    for field, (value, known) in [*asked.items(), *required]:
        if value not in known:
            can = ", ".join(map(str, known))
            return f"{field}: this agent cannot do {value} (python {VERSION} can: {can})"
    return ""


def step(cold: dict[str, Any], name: str, action: Callable[[], None]) -> None:
    start = now()
    action()
    cold[name] = now() - start


def play(engine: Engine, job: dict[str, Any], folder: Path, run: dict[str, Any]) -> None:
    """Run every case once, its state fed back from the one before, and write outputs to the capture file.

    When the time for it (max_ns, where it is given) is over, the cases after the first min_iters are left out.
    """
    stop = job["config"].get("measure", {}) if job["config"]["mode"] == "verify" else {}
    began = now()
    capture = folder / job["capture"] if job.get("capture") else None
    part = capture.with_name(capture.name + ".part") if capture else Path(os.devnull)
    state: dict[str, np.ndarray] = {}
    rows = []
    with part.open("wb") as stream:
        offset = 0
        for case in job["cases"]:
            if stop.get("max_ns") and len(rows) >= stop.get("min_iters", 0) and now() - began >= stop["max_ns"]:
                break
            arrays = [
                state.get(tensor["name"], array) for tensor, array in zip(case, read_case(case, folder), strict=True)
            ]
            engine.feed(arrays)
            start = now()
            engine.invoke()
            run["cold"].setdefault("first_inference", now() - start)
            described = []
            fetched = engine.fetch()
            answers = dict(zip(engine.outputs, fetched, strict=True))
            for name, answer in answers.items():
                answer = np.ascontiguousarray(answer)
                described.append(
                    {"name": name, "dtype": answer.dtype.name, "shape": list(answer.shape), "offset": offset}
                )
                stream.write(answer.tobytes())
                offset += answer.nbytes
            rows.append(described)
            state = {taker: answers[giver].copy() for giver, taker in job.get("feedback", {}).items()}
    if capture:
        part.replace(capture)
        run["outputs"] = rows


def warm_up(sample: Callable[[], int], stop: dict[str, Any]) -> tuple[list[int], str]:
    """Call `sample` (it answers nanoseconds) until it is steady: two exponential averages of rate 0.1 and 0.005,
    each corrected for its start, within 4% of one another more than 40 times in a row (adaptive), or the limits."""
    samples: list[int] = []
    least, shortest, longest = stop.get("min_iters", 0), stop.get("min_ns", 0), stop.get("max_ns", 0)
    most = stop.get("max_iters")
    fast = slow = 0.0
    elapsed = agreeing = 0
    while True:
        enough = len(samples) >= least and elapsed >= shortest
        if stop.get("adaptive") and enough and agreeing > 40:
            return samples, "steady"
        if not stop.get("adaptive") and enough:
            return samples, "min"
        # a slow model may spend the whole time on fewer than min_iters, but never on fewer than 3
        if (elapsed >= longest and len(samples) >= min(least, 3)) or (most is not None and len(samples) >= most):
            return samples, "max_time"
        taken = sample()
        samples.append(taken)
        elapsed += taken
        fast += 0.1 * (taken - fast)
        slow += 0.005 * (taken - slow)
        n = len(samples)
        a, b = fast / (1 - 0.9**n), slow / (1 - 0.995**n)
        agreeing = agreeing + 1 if abs(a - b) <= 0.04 * b else 0


def measure(engine: Engine, job: dict[str, Any], folder: Path, run: dict[str, Any]) -> None:
    """Raw samples over the cases in turn; calls shorter than 100 clock ticks are batched into one sample."""
    stop = job["config"]["measure"]
    cases = [read_case(case, folder) for case in job["cases"]]
    typical = sorted(run["warmup"])[len(run["warmup"]) // 2] if run["warmup"] else run["cold"]["first_inference"]
    repeat = max(1, -(-100 * run["clock"]["resolution"] // max(typical, 1)))
    samples: list[int] = []
    start = now()
    while not finished(len(samples) * repeat, now() - start, stop):
        if len(cases) > 1:
            engine.feed(cases[len(samples) % len(cases)])
        samples.append(timed(engine.invoke, repeat))
    run["samples"] = samples
    if repeat > 1:
        run["iterations_per_sample"] = repeat


def throughput(invoke: Callable[[], None], stop: dict[str, Any]) -> tuple[int, int]:
    """Window in nanoseconds and calls completed in it, one after another without a pause."""
    start, completed = now(), 0
    while not finished(completed, now() - start, stop):
        invoke()
        completed += 1
    return now() - start, completed


def finished(count: int, elapsed: int, stop: dict[str, Any]) -> bool:
    """At least one; then min_iters and min_ns, unless max_ns or max_iters comes first."""
    if count == 0:
        return False
    if elapsed >= stop.get("max_ns", 0) or (stop.get("max_iters") is not None and count >= stop["max_iters"]):
        return True
    return count >= stop.get("min_iters", 0) and elapsed >= stop.get("min_ns", 0)


def timed(call: Callable[[], None], repeat: int = 1) -> int:
    start = now()
    for _ in range(repeat):
        call()
    return now() - start


def clock_resolution() -> int:
    """The smallest step seen between two readings, in nanoseconds."""
    steps = []
    for _ in range(200):
        before = now()
        while (after := now()) == before:
            pass
        steps.append(after - before)
    return min(steps)


def read_case(case: list[dict[str, Any]], folder: Path) -> Arrays:
    """Input tensors of one case in the model's order."""
    arrays = []
    for tensor in case:
        count = int(np.prod(tensor["shape"], dtype=np.int64))
        flat_array = np.fromfile(folder / tensor["path"], tensor["dtype"], count, offset=tensor.get("offset", 0))
        if flat_array.size != count:
            raise ValueError(f"{tensor['path']} is too short for input {tensor['name']}")
        arrays.append(flat_array.reshape(tensor["shape"]))
    return arrays


# ---------------------------------------------------------------------------------------------------------- machine
def process_start_ns() -> int | None:
    """From the kernel's start of this process to our first line (to one clock tick, usually 10 ms)."""
    with contextlib.suppress(OSError):
        after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        ticks = int(after_name[19])  # field 22, starttime
        return max(0, FIRST_LINE_NS - ticks * 1_000_000_000 // os.sysconf("SC_CLK_TCK"))
    return None


def memory_counters() -> dict[str, int]:
    """Counters of /proc/self/status in bytes; empty where there is no /proc."""
    names = {"VmRSS": "vm_rss", "VmHWM": "vm_hwm", "RssAnon": "rss_anon", "RssFile": "rss_file", "VmSwap": "vm_swap"}
    found = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            key, _, value = line.partition(":")
            if key in names:
                found[names[key]] = int(value.split()[0]) * 1024
    return found


def reset_peak_memory() -> dict[str, int]:
    """Set the kernel's high-water mark back to what is resident now, and read the counters."""
    gc.collect()
    with contextlib.suppress(OSError):  # where it may not be set, it is what is resident at this early point
        Path("/proc/self/clear_refs").write_text("5")
    counters = memory_counters()
    if "vm_hwm" not in counters:
        raise OSError("this system does not tell the peak memory of a process (no VmHWM in /proc/self/status)")
    return counters


def drop_page_cache(path: str) -> str:
    """Ask the kernel to forget the artifact's pages; a folder's are left as they are."""
    if not hasattr(os, "posix_fadvise") or not Path(path).is_file():
        return "unknown"
    with Path(path).open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return "dropped"


def facts() -> dict[str, Any]:
    """What this machine is."""
    machine = platform.machine().lower()
    arch = {"aarch64": "arm64", "armv7l": "armv7", "amd64": "x86_64"}.get(machine, machine)
    system = {"darwin": "macos"}.get(platform.system().lower(), platform.system().lower())
    info: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            info.setdefault(key.strip().lower(), value.strip())
    cpu: dict[str, Any] = {"arch": arch, "cores": os.cpu_count() or 1}
    features = sorted(CPU_FEATURES & set((info.get("flags") or info.get("features") or "").split()))
    if features:
        cpu["features"] = features
    found: dict[str, Any] = {"os": {"name": system, "version": platform.release()}, "cpu": cpu}
    model = info.get("model name") or read_text("/proc/device-tree/model") or platform.processor()
    if model:
        found["model"] = model
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        found["ram"] = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return found


def read_text(path: str) -> str:
    with contextlib.suppress(OSError):
        return Path(path).read_text().strip("\0\n ")
    return ""


# ------------------------------------------------------------------------------------------------------------- main
def answer(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The whole bench-result/1 of one job."""
    started = datetime.datetime.now(datetime.timezone.utc).isoformat()  # noqa: UP017 (boards have older Pythons)
    runtime = job["runtime"]
    run: dict[str, Any] = {
        "index": 0,
        "started_at": started,
        "clock": {"source": "CLOCK_MONOTONIC", "resolution": clock_resolution()},
        "cold": {"page_cache": "unknown"},
    }
    if (start := process_start_ns()) is not None:
        run["cold"]["process_start"] = start
    artifact = {key: job["artifact"][key] for key in ("format", "sha256", "size")}
    if job["artifact"].get("name"):
        artifact["name"] = job["artifact"]["name"]
    if reason := refusal(job):
        run["error"] = {"phase": "start", "code": "UNSUPPORTED_JOB", "message": reason}
        engine = Engine(job, [])
    else:
        first = job["cases"][0]
        artifact["inputs"] = [{key: tensor[key] for key in ("name", "dtype", "shape")} for tensor in first]
        engine = ENGINES[runtime["name"]](job, [tensor["name"] for tensor in first])
        execute(job, folder, engine, run)
    told: dict[str, Any] = {
        "name": runtime["name"],
        "version": engine.version,
        "backend": runtime.get("backend", "cpu"),
        "threads": runtime.get("threads", 1),
        "options": runtime.get("options", {}),
    }
    if engine.planned_bytes is not None:
        told["planned_bytes"] = engine.planned_bytes
    return {
        "schema": "bench-result/1",
        "id": str(uuid.uuid4()),
        "created_at": started,
        "agent": {
            "kind": "python",
            "version": VERSION,
            "build": "release",
            "imports_torch": "torch" in sys.modules,
        },
        "device": facts(),
        "artifact": artifact,
        "runtime": told,
        "config": job["config"],
        "runs": [run],
    }


def write(message: dict[str, Any], path: Path) -> None:
    """Write under another name, then rename: a result that is there is complete."""
    part = path.with_name(path.name + ".part")
    with part.open("w") as stream:
        json.dump(message, stream)
        stream.flush()
        os.fsync(stream.fileno())
    part.replace(path)


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    if arguments[0] == "--facts":
        write(facts(), Path(arguments[1]))
        return 0
    path = Path(arguments[0])
    try:
        job = json.loads(path.read_text())
        refusal(job)
    except OSError as error:
        print(f"agent: cannot read {path}: {error.strerror}", file=sys.stderr)
        return 2
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        print(f"agent: {path} is not a bench-job/1: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    result = answer(job, path.resolve().parent)
    write(result, Path(arguments[1]))
    return 1 if "error" in result["runs"][0] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
