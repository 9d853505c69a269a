"""What every registered plugin must be; a new one is tested by being registered."""

from __future__ import annotations

import json
import pickle
import re
import subprocess
import sys
import tomllib
from importlib import import_module, metadata
from pathlib import Path

import pytest

from edgeship.toolchain import registry
from edgeship.toolchain.plugin import Analysis, Dataset, Device, Metric, Pass, Plugin, Target
from edgeship.toolchain.quant import parse
from edgeship.toolchain.runtime import RuntimeInfo

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
PLUGINS = [(group, name) for group in registry.BASES for name in registry.names(group)]
METHODS = {Pass: "apply", Target: "export", Device: "open", Dataset: "read", Metric: "score", Analysis: "decide"}

each = pytest.mark.parametrize(("group", "name"), PLUGINS, ids=lambda value: str(value))


def load(group: registry.Group, name: str) -> type[Plugin]:
    return registry.load(group, name)


def distribution(requirement: str) -> str:
    return re.split(r"[<>=!~\[ ;]", requirement, maxsplit=1)[0].lower()


@each
def test_it_says_what_it_does_and_documents_every_option(group: registry.Group, name: str) -> None:
    plugin = load(group, name)
    assert plugin.__doc__
    assert plugin.__doc__.strip().splitlines()[0].endswith((".", ":", ",")) or len(plugin.__doc__) > 20
    assert plugin.__doc__ != registry.BASES[group].__doc__
    undocumented = [option for option, field in plugin.model_fields.items() if not field.description]
    assert undocumented == []


@each
def test_its_options_have_a_json_schema_and_refuse_what_they_do_not_know(group: registry.Group, name: str) -> None:
    plugin = load(group, name)
    schema = plugin.model_json_schema()
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    json.dumps(schema)
    assert plugin.model_config["frozen"]


@each
def test_it_crosses_process_borders(group: registry.Group, name: str) -> None:
    plugin = load(group, name)
    required = [option for option, field in plugin.model_fields.items() if field.is_required()]
    made = plugin() if not required else plugin.model_construct()
    assert type(pickle.loads(pickle.dumps(made))) is plugin
    assert pickle.loads(pickle.dumps(made)) == made


@each
def test_it_has_a_version_and_its_one_method(group: registry.Group, name: str) -> None:
    plugin = load(group, name)
    assert isinstance(plugin.version, int)
    assert plugin.version >= 1
    base, method = next((base, method) for base, method in METHODS.items() if issubclass(plugin, base))
    assert getattr(plugin, method) is not getattr(base, method, None)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)


@each
def test_its_packages_are_distributions_that_its_extra_installs(group: registry.Group, name: str) -> None:
    plugin = load(group, name)
    base = {distribution(text) for text in PROJECT["dependencies"]}
    extra = {distribution(text) for text in EXTRAS.get(plugin.extra, [])}
    for package in plugin.packages:
        if package.lower() in base:
            continue
        assert plugin.extra in EXTRAS
        brought = extra | {distribution(r) for text in extra for r in metadata.requires(text) or () if "extra" not in r}
        assert package.lower() in brought, f"pip install 'edgeship[{plugin.extra}]' does not bring {package}"
        assert metadata.version(package)


@pytest.mark.parametrize("name", registry.names("targets"))
def test_a_target_names_its_format_and_the_specs_it_carries(name: str) -> None:
    target = registry.load("targets", name)
    assert issubclass(target, Target)
    assert target.format
    schemes = target().schemes()
    assert "float32" in schemes
    for scheme in schemes:
        assert parse(scheme).scheme == scheme


@pytest.mark.parametrize("runtime", registry.runtimes().values(), ids=lambda runtime: runtime.name)
def test_a_runtime_says_who_drives_it_and_what_brings_it(runtime: RuntimeInfo) -> None:
    for system in ("linux", "macos"):
        agents = runtime.agents_on(system)
        assert agents
        for agent in agents:
            assert runtime.name in agent.runtimes
            assert "verify" in agent.modes
            assert all(file.is_file() for file in agent.sources())
    if runtime.inspect:
        assert callable(import_module(runtime.inspect).inspect_file)
    needed = {runtime.distribution, runtime.inspect_distribution or runtime.distribution}
    for brought in (distribution(text) for text in EXTRAS.get(runtime.extra, PROJECT["dependencies"])):
        needed.discard(brought)
    assert needed == set()


def test_a_suffix_belongs_to_one_runtime() -> None:
    suffixes = [suffix for runtime in registry.runtimes().values() for suffix in runtime.suffixes]
    assert len(suffixes) == len(set(suffixes))


HEAVY = ("torch", "onnx", "onnxruntime", "executorch", "coremltools", "coreai_torch", "litert_torch", "ai_edge_litert")


def imported(code: str) -> dict[str, list[str]]:
    """Runs code in a fresh process; it prints one JSON object."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_importing_a_plugin_imports_no_framework() -> None:
    found = imported(
        "import json, sys\n"
        "from edgeship.toolchain import registry\n"
        "guilty = {}\n"
        "for group in registry.BASES:\n"
        "    for name in registry.names(group):\n"
        "        before = set(sys.modules)\n"
        "        registry.load(group, name)\n"
        f"        new = sorted(set({HEAVY!r}) & (set(sys.modules) - before))\n"
        "        if new: guilty[f'{group} {name}'] = new\n"
        "print(json.dumps(guilty))"
    )
    assert found == {}


def test_the_command_starts_without_torch_numpy_and_onnx() -> None:
    found = imported(
        "import json, sys\nimport edgeship.toolchain.cli\n"
        f"print(json.dumps(sorted({{*{HEAVY!r}, 'numpy', 'scipy', 'jinja2'}} & set(sys.modules))))"
    )
    assert found == []


@pytest.mark.parametrize("group", ["metrics", "datasets", "devices", "targets", "analyses"])
def test_a_built_in_plugin_is_one_file_and_one_line(group: registry.Group) -> None:
    modules = [reference.partition(":")[0] for reference in registry.BUILT_IN[group].values()]
    assert len(set(modules)) == len(modules)
    files = [import_module(module).__file__ for module in modules]
    assert not [file for file in files if file is None or file.endswith("__init__.py")]
