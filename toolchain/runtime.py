"""What is known of a runtime, declared once by its target, and of the agents that drive it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.errors import MissingError

if TYPE_CHECKING:
    from edgeship.toolchain.protocol.messages import Mode

TIMED: frozenset[Mode] = frozenset({"verify", "latency", "throughput", "cold", "memory"})
"""The modes of an agent that measures, too."""
LASTING: frozenset[Mode] = frozenset({"sustained", "rounds"})
"""Those of one that runs a file for long."""


@dataclass(frozen=True)
class Agent:
    """A program that executes artifacts: started with a bench-job/1's path and the path of the bench-result/1."""

    name: str
    runtimes: Mapping[str, str]
    """The runtimes of artifacts that it executes → the names under which it does (a browser runs an onnxruntime's
    file as onnxruntime-web)."""
    modes: frozenset[Mode]
    files_for: Callable[[str], Mapping[str, Path]]
    """CPU architecture (as in bench-result/1) → the files that must be there, by their names beside one another.
    MissingError where there are none for it, or what builds them is missing."""
    command: Callable[[Callable[[str], str], str], list[str]]
    """(where the file of a name lies, the Python to use) → what to start; the two paths are added."""
    sources: Callable[[], tuple[Path, ...]]
    """What it is made from: results of another agent are other observations."""
    travels: bool = True
    """Whether its files run on another machine than the one that made them."""
    brings_runtime: bool = False
    """Whether its files are all that it needs; otherwise the Python there must have the runtime."""

    @property
    def version(self) -> str:
        """SHA-256 over the names and contents of `sources`."""
        return sources_digest(self.sources())


def sources_digest(files: Iterable[Path]) -> str:
    """SHA-256 over the names and contents of files."""
    sha = hashlib.sha256()
    for file in files:
        sha.update(file.name.encode() + b"\0" + file.read_bytes())
    return sha.hexdigest()


def python_agent(name: str, runtimes: frozenset[str], file: Path, modes: frozenset[Mode] = TIMED) -> Agent:
    """An agent that is one Python file and needs what it imports, nothing of edgeship."""
    return Agent(
        name=name,
        runtimes={runtime: runtime for runtime in runtimes},
        modes=modes,
        files_for=lambda arch: {file.name: file},
        # -I: neither the user's folder nor PYTHONPATH may shadow a runtime's modules
        command=lambda place, python: [python, "-I", place(file.name)],
        sources=lambda: (file,),
    )


@dataclass(frozen=True)
class RuntimeInfo:
    """One runtime: its names, its files, what must be installed for it, and who drives it."""

    name: str
    """As in artifact.json and bench-job/1."""
    title: str
    """As its makers write it."""
    package: str
    """The module that is there where the runtime is installed for Python."""
    distribution: str
    """The distribution that brings it."""
    agents: tuple[str, ...]
    """'module:NAME' of the Agents that drive it, the preferred first; imported on use."""
    extra: str = ""
    """The edgeship extra that brings the distribution."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables of every process that loads it."""
    suffixes: Mapping[str, str] = field(default_factory=dict)
    """The suffixes of its files → format."""
    folders: bool = False
    """Whether its files are folders."""
    inspect: str = ""
    """The module whose `inspect_file(path)` looks into its files, and whose `constants(path)`, where it has that, finds
    the numbers in them; `modules(path, origins, names)` the modules that executed operators come from."""
    tells_kinds: bool = False
    """Whether its profile has XNNPACK's kinds of operators alone, so that modules are found by their order."""
    reduce: str = ""
    """The module whose `write_required(files, folder)` writes which operators a build needs that executes these files,
    by name, and nothing else, and answers them; empty: the runtime has no such build."""
    inspect_distribution: str = ""
    """What that module needs, where it is not `distribution`."""
    backends: frozenset[str] = frozenset()
    """Those that the distribution brings to a host; empty: they are not told apart."""
    native_on: frozenset[str] = frozenset()
    """The systems (bench-result/1's os.name) that have the runtime itself; empty: all. Elsewhere an interpreter takes
    its place: numbers, never speed."""
    interpreter: str = ""
    """'module:NAME' of the Agent that takes its place there; empty: `agents` bring it themselves."""
    slow_interpreter: bool = False
    """Whether that takes seconds for what a phone does in milliseconds."""
    emulates_half: bool = False
    """Whether it emulates half precision, far slower than float, on a CPU without half arithmetic."""

    needless_entries: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Entry of an artifact's option `config` → CPU features (bench-result/1) with any of which it only costs time."""

    def options_on(self, options: Mapping[str, Any], features: Iterable[str]) -> dict[str, Any]:
        """An artifact's options as a CPU with these features needs them."""
        there, told = set(features), dict(options)
        entries = told.pop("config", {})
        needed = {name: value for name, value in entries.items() if not self.needless_entries.get(name, set()) & there}
        return {**told, "config": needed} if needed else told

    def is_interpreted(self, system: str) -> bool:
        """Whether only a stand-in for the runtime exists on this system."""
        return bool(self.native_on) and system not in self.native_on

    def agents_on(self, system: str) -> tuple[Agent, ...]:
        """Who drives it on a system, the preferred first."""
        interpreted = self.is_interpreted(system) and self.interpreter
        return tuple(agent_named(name) for name in ((self.interpreter,) if interpreted else self.agents))


def agent_named(name: str) -> Agent:
    """The Agent at 'module:NAME', imported now; MissingError where there is none."""
    module, _, attribute = name.partition(":")
    try:
        agent: Any = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise MissingError(f"cannot import the agent {name} ({error})", "reinstall what brings it") from error
    if not isinstance(agent, Agent):
        raise MissingError(f"{name} is no Agent", "see edgeship.toolchain.runtime")
    return agent
