"""A browser as a device: files run in a page, by the runtimes that web apps ship."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from edgeship.toolchain.api import (
    TIMED,
    Artifact,
    Device,
    DeviceError,
    DeviceFacts,
    Job,
    JobFiles,
    Link,
    Mode,
    Result,
    runtime_info,
    sources_digest,
)
from edgeship.toolchain.devices.agents.python import agents_folder, facts
from edgeship.toolchain.devices.browser.chromium import Page, opened
from edgeship.toolchain.devices.browser.packages import node_modules, sources
from edgeship.toolchain.devices.browser.server import serving
from edgeship.toolchain.devices.local import LocalLink

ENGINES = {"onnxruntime": "onnxruntime-web", "litert": "litert.js"}
"""A runtime's name → what stands for it in a browser."""
LITERT_DTYPES = ("float32", "int32", "uint8")
"""What LiteRT.js 2.5 takes and gives."""
SHOW_S = 60.0
"""How long its first page may take."""
FACTS = "import('./agent.mjs').then((agent) => agent.facts())"
MAIN = "import('./agent.mjs').then((agent) => agent.main())"


class Browser(Device):
    """Executes ONNX and LiteRT files in a Chromium on this host, on its CPU: onnxruntime-web and LiteRT.js."""

    executable: str = Field(
        "chromium", min_length=1, description="the browser: Chromium, Chrome or Edge, by name or path"
    )

    @contextlib.contextmanager
    def open(self) -> Iterator[BrowserLink]:
        """MissingError without the browser or npm; any number of runs may verify beside each other."""
        with _page(self.executable, {}, {}, SHOW_S) as (page, version, deadline):
            told = page.evaluate(FACTS, deadline)
        told["os"]["version"] = version
        yield BrowserLink(self.executable, told)


class BrowserLink(Link):
    """Every launch is a fresh browser with one page."""

    def __init__(self, executable: str, told: dict[str, Any]) -> None:
        self._executable = executable
        self._facts = {**told, **{name: value for name, value in facts().items() if name in ("model", "ram")}}

    def facts(self) -> dict[str, Any]:
        """The browser as a page sees it, on this host's CPU."""
        return self._facts

    def conditions(self, artifact: Artifact) -> dict[str, Any]:
        """And what the agent and its runtimes are made from."""
        return {"device": self._facts, "agent": sources_digest(sources())}

    def can_execute(self, artifact: Artifact, mode: Mode = "verify") -> str | None:
        """Files of ONNX Runtime, and those of LiteRT whose inputs and outputs LiteRT.js takes; on the CPU."""
        runtime = runtime_info(artifact.runtime.name)
        title = runtime.title if runtime else artifact.runtime.name
        if artifact.runtime.name not in ENGINES:
            return f"no browser has {title}"
        if artifact.runtime.backend != "cpu":
            return f"the {title} backend {artifact.runtime.backend} is not here"
        if mode not in TIMED:
            return f"no agent here does {mode} with {title}"
        if artifact.runtime.name == "litert":
            for tensor in (*artifact.inputs, *artifact.outputs):
                if tensor.dtype not in LITERT_DTYPES:
                    return f"LiteRT.js takes {', '.join(LITERT_DTYPES)} only: {tensor.name} is {tensor.dtype}"
            for tensor in artifact.inputs:
                if any(isinstance(size, str) for size in tensor.shape):
                    return f"LiteRT.js takes fixed shapes only: {tensor.name} is {'×'.join(map(str, tensor.shape))}"
        return None

    def is_shared(self) -> bool:
        """As this host is."""
        return LocalLink().is_shared()

    def execute(self, job: Job, files: JobFiles) -> Result:
        """In a page of its own, which takes the files and hands in the result."""
        sent = job.model_copy(update={"runtime": job.runtime.model_copy(update={"name": ENGINES[job.runtime.name]})})
        asked, answered = files.folder / "job.json", files.folder / "result.json"
        sent.save(asked)
        takes = {answered.name: answered}
        if job.capture:
            takes[job.capture] = files.folder / job.capture
        brought = {asked.name: asked, **files.sources}
        with _page(self._executable, brought, takes, job.deadline_ns / 1e9) as (page, _, deadline):
            page.evaluate(MAIN, deadline)
        try:
            result = Result.load(answered)
        except (OSError, ValidationError) as error:
            raise DeviceError("the page handed in no valid bench-result/1", "use a recent Chromium") from error
        result.transport = "cdp"
        result.device = DeviceFacts.model_validate(self._facts)
        return result


@contextlib.contextmanager
def _page(
    executable: str, files: dict[str, Path], takes: dict[str, Path], seconds: float
) -> Iterator[tuple[Page, str, float]]:
    """The agent's page in a fresh browser, the browser's version, and when the page must be done (time.monotonic).

    DeviceError where it is not: what is asked of it in the block, too.
    """
    folders = {"node_modules/": node_modules(), "": agents_folder() / "browser"}
    with serving(folders, files, takes) as address, opened(executable) as (page, version):
        deadline = time.monotonic() + seconds
        try:
            page.show(f"{address}index.html", deadline)
            yield page, version, deadline
        except TimeoutError as error:
            raise DeviceError(
                f"the page did not finish within {seconds:g} s", "give the job a later deadline"
            ) from error
