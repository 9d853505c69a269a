"""Browsers: files in a real Chromium answer as eager torch does, and whatever fails there ends with a word."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import jsonschema
import numpy as np
import psutil
import pytest
from tiny_files import TinyFile, TinyFiles

from edgeship.toolchain.artifact import Tensor
from edgeship.toolchain.devices.agents.python import agents_folder
from edgeship.toolchain.devices.browser.chromium import opened
from edgeship.toolchain.devices.browser.device import Browser, BrowserLink
from edgeship.toolchain.devices.browser.server import serving
from edgeship.toolchain.devices.launch import Launched, launch
from edgeship.toolchain.errors import CrashError, DeviceError, MissingError
from edgeship.toolchain.measure.history import notes
from edgeship.toolchain.protocol.jobs import Load, make_job
from edgeship.toolchain.protocol.messages import Config, Stop, dump
from edgeship.toolchain.stats import peak_above_baseline

pytestmark = [
    pytest.mark.heavy,
    pytest.mark.skipif(
        shutil.which("chromium") is None or shutil.which("npm") is None,
        reason="no chromium or no npm (make system-deps)",
    ),
]

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "apps" / "protocol" / "bench-result-1.schema.json").read_text())
GOLDEN = ROOT / "tests" / "golden" / "protocol"
VERIFY = Config(mode="verify")
SHORT = Config(
    mode="latency",
    warmup=Stop(min_iters=10, min_ns=5_000_000, max_ns=500_000_000, adaptive=True),
    measure=Stop(min_iters=100, min_ns=10_000_000, max_ns=500_000_000),
)


@pytest.fixture(scope="module")
def link() -> Iterator[BrowserLink]:
    with Browser().open() as link:
        yield link


def load(file: TinyFile, threads: int = 1) -> Load:
    return Load(file.artifact, file.folder, file.rows, file.feedback, threads)


def checked(launched: Launched) -> Launched:
    jsonschema.Draft202012Validator(SCHEMA).validate(json.loads(dump(launched.result)))
    return launched


@pytest.mark.parametrize(
    ("net", "format"),
    [
        ("conv_net", "onnx"),
        ("conv_net", "litert"),
        ("streaming_net", "onnx"),
        ("streaming_net", "litert"),
        ("token_net", "onnx"),
    ],
)
def test_a_browser_answers_what_eager_torch_answers(
    net: str, format: str, tiny_files: TinyFiles, link: BrowserLink
) -> None:
    file = tiny_files.get(net, format)
    assert link.can_execute(file.artifact) is None
    launched = checked(launch(link, load(file, threads=2), VERIFY))
    assert launched.result.runs[0].error is None
    assert (launched.result.transport, launched.result.agent.kind) == ("cdp", "browser")
    assert launched.result.runtime.version == {"onnx": "1.30.0", "litert": "2.5.3"}[format]
    assert launched.result.device.os.name == "browser"
    assert (launched.result.device.os.version or "").startswith("Chrome ")
    file.is_answered_by(launched.outputs)


@pytest.mark.parametrize("format", ["onnx", pytest.param("litert", marks=pytest.mark.slow)])
def test_it_measures_calls_a_cold_start_and_the_memory_of_webassembly(
    format: str, tiny_files: TinyFiles, link: BrowserLink
) -> None:
    file = tiny_files.get("conv_net", format)
    timed = checked(launch(link, load(file), SHORT, capture=False)).result.runs[0]
    assert timed.clock
    assert timed.clock.resolution <= 20_000, "the page is not isolated"
    assert timed.samples
    per_sample = timed.iterations_per_sample or 1
    assert len(timed.samples) * per_sample >= 100
    assert timed.warmup_stop in ("steady", "max_time")
    assert float(np.median(timed.samples)) >= 50 * timed.clock.resolution
    counted = launch(
        link, load(file), Config(mode="throughput", measure=Stop(min_iters=20, max_ns=500_000_000)), capture=False
    )
    assert (checked(counted).result.runs[0].completed or 0) >= 20
    cold = checked(launch(link, load(file), Config(mode="cold"))).result.runs[0].cold
    assert cold
    assert (cold.runtime_init or 0) > 0
    assert (cold.load or 0) > 0
    assert (cold.first_inference or 0) > 0
    filled = checked(launch(link, load(file), Config(mode="memory"))).result
    assert (peak_above_baseline(filled.runs[0]) or 0) > 1 << 20
    assert "memory of WebAssembly alone" in notes(filled)


def test_it_says_what_it_cannot_execute(tiny_files: TinyFiles, link: BrowserLink) -> None:
    file = tiny_files.get("conv_net", "litert").artifact
    (image,) = file.inputs
    assert link.can_execute(file, "rounds") == "no agent here does rounds with LiteRT"
    assert link.can_execute(tiny_files.get("conv_net", "torchscript").artifact) == "no browser has PyTorch"
    small = file.model_copy(update={"inputs": (image.model_copy(update={"dtype": "int8"}),)})
    assert link.can_execute(small) == "LiteRT.js takes float32, int32, uint8 only: image is int8"
    varying = file.model_copy(update={"inputs": (Tensor(name="image", dtype="float32", shape=("batch", 3)),)})
    assert link.can_execute(varying) == "LiteRT.js takes fixed shapes only: image is batch×3"


def test_a_field_it_does_not_know_is_refused_by_name(tiny_files: TinyFiles, link: BrowserLink, tmp_path: Path) -> None:
    job, files = make_job(load(tiny_files.get("conv_net", "onnx")), VERIFY, tmp_path)
    error = link.execute(job.model_copy(update={"requires": ["config.pin_cpus"]}), files).runs[0].error
    assert error
    assert error.code == "UNSUPPORTED_JOB"
    assert error.message.startswith("requires: this agent cannot do config.pin_cpus (browser 1 can: outputs, ")


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_a_file_that_is_none_is_the_runtimes_word(
    format: str, tiny_files: TinyFiles, link: BrowserLink, tmp_path: Path
) -> None:
    file = tiny_files.get("conv_net", format)
    (tmp_path / file.artifact.file).write_bytes(b"no model at all")
    launched = launch(link, Load(file.artifact, tmp_path, file.rows), VERIFY)
    error = launched.result.runs[0].error
    assert error
    assert error.phase == "load"
    assert error.message
    assert launched.outputs == []


def chromiums() -> set[int]:
    return {process.pid for process in psutil.process_iter(["name"]) if "chrom" in (process.info["name"] or "")}


def test_a_deadline_ends_every_process_of_the_browser(tiny_files: TinyFiles, link: BrowserLink) -> None:
    before = chromiums()
    endless = Config(mode="latency", measure=Stop(min_iters=10**9, min_ns=10**15, max_ns=10**15))
    with pytest.raises(DeviceError, match=r"the page did not finish within 4 s"):
        launch(link, load(tiny_files.get("conv_net", "onnx")), endless, capture=False, deadline_ns=4_000_000_000)
    for _ in range(50):
        if not chromiums() - before:
            break
        time.sleep(0.1)
    assert chromiums() <= before


def test_a_page_that_dies_is_a_crash_and_a_script_that_throws_is_not() -> None:
    with opened("chromium") as (page, version):
        assert version.startswith("Chrome ")
        deadline = time.monotonic() + 60
        assert page.evaluate("Promise.resolve(6 * 7)", deadline) == 42
        with pytest.raises(DeviceError, match="the page failed: Error: oh"):
            page.evaluate("throw new Error('oh')", deadline)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):  # one of an earlier test, which has ended
                if "--type=renderer" in process.cmdline():
                    process.kill()
        with pytest.raises(CrashError, match="the page died"):
            page.evaluate("new Promise(() => {})", deadline)
    with (
        pytest.raises(MissingError, match="there is no nothing-of-this-name"),
        Browser(executable="nothing-of-this-name").open(),
    ):
        pass


def test_the_server_gives_only_what_it_was_told_to_and_takes_only_what_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "page.mjs").write_text("1")
    (tmp_path / "secret.txt").write_text("no")
    (tmp_path / "below" / "way-out").symlink_to(tmp_path / "secret.txt")
    taken = tmp_path / "result.json"

    def status(method: str, path: str, body: bytes | None = None) -> tuple[int, str | None]:
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=10)
        connection.request(method, path, body)
        answered = connection.getresponse()
        answered.read()
        return answered.status, answered.getheader("Cross-Origin-Embedder-Policy")

    with serving({"": tmp_path / "below"}, {"job.json": tmp_path / "secret.txt"}, {"result.json": taken}) as address:
        where = urlsplit(address)
        assert status("GET", f"{where.path}page.mjs") == (200, "require-corp")
        assert status("GET", f"{where.path}job.json")[0] == 200
        for wrong in ("/page.mjs", f"{where.path}../secret.txt", f"{where.path}way-out", f"{where.path}%00", "/"):
            assert status("GET", wrong)[0] == 404
        assert status("PUT", f"{where.path}page.mjs", b"2")[0] == 403
        assert status("PUT", f"{where.path}result.json", b"{}")[0] == 204
    assert taken.read_text() == "{}"
    assert (tmp_path / "below" / "page.mjs").read_text() == "1"


def test_its_warm_up_stops_where_the_golden_series_says(tmp_path: Path) -> None:
    script = tmp_path / "golden.mjs"
    script.write_text(f"""
        import {{ readFileSync }} from 'node:fs';
        import {{ warmUp }} from '{agents_folder() / "browser" / "steps.mjs"}';
        for (const each of JSON.parse(readFileSync('{GOLDEN / "warmup.json"}'))) {{
          let next = 0;
          const [taken, why] = await warmUp(() => each.samples[next++], each.stop);
          console.log(JSON.stringify([taken.length, why]));
        }}
    """)
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, timeout=60, check=True)
    wanted = [[case["iterations"], case["warmup_stop"]] for case in json.loads((GOLDEN / "warmup.json").read_text())]
    assert [json.loads(line) for line in done.stdout.splitlines()] == wanted
