"""Recipe TOML to checked plans, every error at once with its place and remedy, without torch."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from edgeship.toolchain import registry
from edgeship.toolchain.errors import EdgeshipError, RecipeError
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.plugin import (
    Dataset,
    Device,
    Metric,
    ModulePass,
    ModuleToProgramPass,
    Need,
    Pass,
    Plugin,
    Target,
)
from edgeship.toolchain.quant import FLOAT32, QuantSpec
from edgeship.toolchain.recipe.problems import Problems

P = TypeVar("P", bound=Plugin)
MAX_DEPTH = 64
TOO_BIG = ("an integer of more than 64 bits", "integers go from −2⁶³ to 2⁶³−1")
Positive = Annotated[int, Field(ge=1)]
Threads = Annotated[int, Field(ge=1, le=1024)]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Selection(_Table):
    """Which samples of a data set are used."""

    samples: int | None = Field(None, ge=1, description="how many samples; absent: all")
    select: Literal["first", "random", "stratified"] = Field("first", description="how they are chosen")
    seed: int = 0


class VerifyOptions(_Table):
    """How artifacts are judged."""

    samples: int = Field(16, ge=2, description="inputs on which every output is compared with the program's")
    slow_samples: int = Field(2, ge=1, description="the same where the runtime here is an interpreter (Core AI)")
    max_metric_drop: float = Field(0.02, ge=0, description="how far the task metric may lie below the float model's")
    min_sqnr_db: dict[str, float] = Field(
        default_factory=dict,
        description="own limits by spec, e.g. {'w8a8-static' = 20}; see edgeship.toolchain.judge.verdict",
    )


class BenchOptions(_Table):
    """How artifacts are measured."""

    threads: tuple[Threads, ...] = Field((1,), min_length=1, description="thread counts to measure with")
    batch: tuple[Positive, ...] = Field(
        (1,), min_length=1, description="batch sizes; others than 1 need a dynamic batch"
    )
    launches: int = Field(5, ge=1, description="process launches per artifact; one launch is one replicate")
    seconds: float = Field(10.0, gt=0, description="measuring time per launch")


class BuildOptions(_Table):
    """Limits of the workers that build."""

    timeout_s: float = Field(1800, gt=0, description="longest time one step of one line may take")
    memory_gb: float | None = Field(None, gt=0, description="most memory a worker may take; absent: the machine's free")
    workers: int | None = Field(None, ge=1, description="steps at once; absent: one per core")


@dataclass(frozen=True)
class Data:
    """A declared data set: where it comes from, which samples of it, and (for evaluation) the task metric."""

    name: str
    dataset: Dataset
    selection: Selection
    metric: Metric | None = None
    metric_name: str = ""


@dataclass(frozen=True)
class Model:
    """One model of the recipe and the data that belongs to it."""

    name: str
    source: ModelSource
    data: dict[Need, Data]


@dataclass(frozen=True)
class Step:
    """A pass by its name, with the spec of the program after it."""

    name: str
    plugin: Pass
    spec: QuantSpec


@dataclass(frozen=True)
class Plan:
    """One straight line: one model × one variant × one target."""

    model: Model
    variant: str
    steps: tuple[Step, ...]
    target_name: str
    target: Target
    unsupported: str | None

    @property
    def spec(self) -> QuantSpec:
        """What the numbers of the program that reaches the target are."""
        return self.steps[-1].spec if self.steps else FLOAT32

    @property
    def name(self) -> str:
        """Unique in the recipe; never parsed for meaning."""
        return "-".join((self.model.name, self.variant, self.target_name))

    @property
    def changes_model(self) -> bool:
        """Whether the program is meant to differ from the float model (pruned, trained on)."""
        return any(isinstance(step.plugin, ModulePass | ModuleToProgramPass) for step in self.steps)


@dataclass(frozen=True)
class Recipe:
    """A checked recipe."""

    name: str
    base: Path
    models: tuple[Model, ...]
    plans: tuple[Plan, ...]
    devices: dict[str, Device]
    verify: VerifyOptions
    bench: BenchOptions
    build: BuildOptions
    text: str
    warnings: tuple[str, ...] = field(default=())


def _plugin(
    group: registry.Group, name: Any, place: str, table: dict[str, Any], problems: Problems, also: Iterable[str] = ()
) -> Plugin | None:
    """Find and validate a plugin; problems are recorded."""
    if not isinstance(name, str):
        problems.add(place, f"must be a name, not {name!r}")
        return None
    try:
        kind = registry.load(group, name)
    except EdgeshipError as error:
        problems.add_error(place, error)
        return None
    made = problems.build(kind, place, table, also)
    return made and _with_absolute_paths(made, problems.base)


def _with_absolute_paths(plugin: Plugin, base: Path) -> Plugin:
    """The plugin with its paths taken from the recipe's folder."""
    paths = {name: value for name in type(plugin).model_fields if isinstance(value := getattr(plugin, name), Path)}
    return plugin.model_copy(update={name: (base / path.expanduser()).resolve() for name, path in paths.items()})


def read(path: Path) -> Recipe:
    """Read and check a recipe file; RecipeError lists everything that is wrong with it."""
    try:
        str(path.resolve()).encode()
    except UnicodeEncodeError as error:
        raise RecipeError(f"{str(path)!r}: its path is not UTF-8", "rename the file or its folders") from error
    if path.exists() and not path.is_file():
        raise RecipeError(f"{path}: is not a file", "name the recipe's .toml")  # a pipe would be waited for
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror})", "`edgeship init` writes a recipe") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: is not a text file", "name the recipe's .toml; TOML is UTF-8") from error
    return parse(text, path.resolve().parent, str(path), path.stem)


def parse(text: str, base: Path, place: str = "recipe", default_name: str = "recipe") -> Recipe:
    """Check a recipe's text; relative paths in it are taken from `base`."""
    try:
        raw = tomllib.loads(text)
    except RecursionError as error:
        raise RecipeError(f"{place}: nested too deep", "write it flatter") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{place}: not valid TOML: {error}", "see https://toml.io") from error
    except ValueError as error:  # Python's own, for an integer of thousands of digits
        raise RecipeError(f"{place}: {TOO_BIG[0]}", TOO_BIG[1]) from error
    _check_limits(raw, place)
    return from_tables(absolute(raw, base), base, place, default_name, text)


def _check_limits(value: Any, place: str, depth: int = 0) -> None:
    """RecipeError for what TOML's text can hold and nothing after it takes."""
    if depth > MAX_DEPTH:
        raise RecipeError(f"{place}: nested deeper than {MAX_DEPTH} levels", "write it flatter")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise RecipeError(f"{place}: {TOO_BIG[0]}", TOO_BIG[1])
    if isinstance(value, str) and "\0" in value:
        raise RecipeError(f"{place}: the text {value[:40]!r} holds a NUL character", "remove it")
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _check_limits(item, place, depth + 1)


def absolute(value: Any, base: Path) -> Any:
    """Make every './…' and '../…' in a recipe absolute, so that plugins never need to know the recipe's folder."""
    if isinstance(value, dict):
        return {key: absolute(item, base) for key, item in value.items()}
    if isinstance(value, list):
        return [absolute(item, base) for item in value]
    if isinstance(value, str) and value.startswith(("./", "../")):
        file, colon, rest = value.partition(":")
        return f"{(base / file).resolve()}{colon}{rest}"
    return value


OPTION_KEYS = ("verify", "bench", "build")
DATA_KEYS: tuple[Need, ...] = ("calibration", "evaluation", "training")
KEYS = ("name", "model", "models", *DATA_KEYS, "variants", "targets", "devices", *OPTION_KEYS)


def from_tables(raw: dict[str, Any], base: Path, place: str, default_name: str, text: str = "") -> Recipe:
    """Check a recipe given as tables (what TOML parses to); RecipeError lists all problems."""
    problems = Problems(base)
    for key in raw:
        if key not in KEYS:
            problems.unknown(key, "table", key, KEYS)
    if "name" in raw:
        _check_name(raw["name"], "name", problems)
    if raw.get("devices") == {}:
        problems.add("devices", "names no device", "name one, as in [devices.local], or leave the table out")
    models = _models(raw, problems)
    variants = _variants(raw.get("variants", {"float": []}), problems)
    targets = _plugins(raw.get("targets", {}), "targets", Target, problems)
    devices = _plugins(raw.get("devices", {"local": {}}), "devices", Device, problems)
    verify = problems.build(VerifyOptions, "verify", raw.get("verify", {}))
    bench = problems.build(BenchOptions, "bench", raw.get("bench", {}))
    build = problems.build(BuildOptions, "build", raw.get("build", {}))
    if not targets and not problems.found:
        problems.add(
            "targets", "no target is named", f"add [targets.onnx]; known: {', '.join(registry.names('targets'))}"
        )
    for model in models:
        declared = {*model.data, *raw, *raw.get("models", {}).get(model.name, {})}  # a wrong table was named already
        _check_needs(model, declared, variants, targets, problems)
    problems.raise_any(place)
    assert verify is not None
    assert bench is not None
    assert build is not None
    plans = tuple(
        Plan(model, variant, steps, name, target, target.unsupported(_spec(steps), _dynamic(model.source)))
        for model in models
        for variant, steps in variants.items()
        for name, target in targets.items()
    )
    return Recipe(str(raw.get("name", default_name)), base, tuple(models), plans, devices, verify, bench, build, text)


def _spec(steps: tuple[Step, ...]) -> QuantSpec:
    return steps[-1].spec if steps else FLOAT32


def _dynamic(source: ModelSource) -> bool:
    return any(isinstance(size, str) for tensor in source.inputs for size in tensor.shape)


def _models(raw: dict[str, Any], problems: Problems) -> list[Model]:
    tables = raw.get("models", {})
    if "model" in raw:
        if tables:
            problems.add("model", "stands beside [models.NAME]", "use one of the two")
        tables = {str(raw.get("name", "model")): raw["model"]}
    if not tables:
        problems.add("model", "no model is named", 'add [model] with factory = "package.module:function"')
    models = []
    for name, table in tables.items():
        place = "model" if "model" in raw else f"models.{name}"
        if "model" not in raw:
            _check_name(name, place, problems)
        own = {key: table[key] for key in DATA_KEYS if isinstance(table, dict) and key in table}
        rest = {key: item for key, item in table.items() if key not in own} if isinstance(table, dict) else table
        source = problems.build(ModelSource, place, rest)
        data: dict[Need, Data] = {}
        for key in DATA_KEYS:
            if key in own or key in raw:
                where = f"{place}.{key}" if key in own else key
                if (found := _data(key, own.get(key, raw.get(key)), where, problems)) is not None:
                    data[key] = found
        if source is not None:
            models.append(Model(name, source, data))
    return models


def _data(key: Need, table: Any, place: str, problems: Problems) -> Data | None:
    if not isinstance(table, dict):
        problems.add(place, f"must be a table, not {type(table).__name__}")
        return None
    options = dict(table)
    name = options.pop("source", None)
    if name is None:
        problems.add(f"{place}.source", "is missing", f"one of: {', '.join(registry.names('datasets'))}")
        return None
    fields = _fields("datasets", name)
    # a data set may have a seed of its own: one word then serves both
    chosen = {k: options[k] if k in fields else options.pop(k) for k in Selection.model_fields if k in options}
    takes_metric = key == "evaluation"
    metric_given = options.pop("metric", None) if takes_metric else None
    selection = problems.build(Selection, place, chosen)
    also = ("source", *Selection.model_fields, *(["metric"] if takes_metric else []))
    dataset = _plugin("datasets", name, place, options, problems, also)
    metric, metric_name = _metric(metric_given, f"{place}.metric", problems) if metric_given else (None, "")
    if selection is None or not isinstance(dataset, Dataset):
        return None
    return Data(str(name), dataset, selection, metric, metric_name)


def _fields(group: registry.Group, name: Any) -> set[str]:
    try:
        return set(registry.load(group, name).model_fields) if isinstance(name, str) else set()
    except EdgeshipError:
        return set()  # the name is reported where the plugin is made


def _metric(given: Any, place: str, problems: Problems) -> tuple[Metric | None, str]:
    """A metric by its name, as `file.py:function`, or as a table of either and its options; with the name to show."""
    options = dict(given) if isinstance(given, dict) else {"name": given}
    name = options.pop("name", "python" if "function" in options else None)
    if isinstance(name, str) and (":" in name or name.endswith(".py")):
        name, options = "python", {"function": name, **options}
    if name is None:
        problems.add(f"{place}.name", "is missing", f"one of: {', '.join(registry.names('metrics'))}")
        return None, ""
    plugin = _plugin("metrics", name, place, options, problems, ("name",))
    shown = str(options["function"]).rpartition(":")[2] if name == "python" and "function" in options else str(name)
    return plugin if isinstance(plugin, Metric) else None, shown


def _named(table: Any, place: str, problems: Problems) -> dict[str, Any]:
    if not isinstance(table, dict):
        problems.add(place, f"must be a table, not {type(table).__name__}")
        return {}
    for name in table:
        _check_name(name, f"{place}.{name}", problems)
    return table


def _check_name(name: Any, place: str, problems: Problems) -> None:
    if not isinstance(name, str) or not NAME.fullmatch(name):
        problems.add(place, f"{name!r} cannot be a name", "use letters, digits, '.', '_' and '-'")


def _variants(table: Any, problems: Problems) -> dict[str, tuple[Step, ...]]:
    variants = {}
    for name, passes in _named(table, "variants", problems).items():
        if not isinstance(passes, list):
            problems.add(f"variants.{name}", "must be a list of passes", 'e.g. ["quantize-static"]')
            continue
        steps: list[Step] = []
        for index, item in enumerate(passes):
            place = f"variants.{name}[{index}]"
            options = dict(item) if isinstance(item, dict) else {"pass": item}
            plugin = _plugin("passes", options.pop("pass", None), place, options, problems, ("pass",))
            if isinstance(plugin, Pass):
                pass_name = item["pass"] if isinstance(item, dict) else item
                _append(steps, pass_name, plugin, place, problems)
        variants[name] = tuple(steps)
    return variants


def _append(steps: list[Step], name: str, plugin: Pass, place: str, problems: Problems) -> None:
    on_module = isinstance(plugin, ModulePass | ModuleToProgramPass)
    before = next((s for s in steps if not isinstance(s.plugin, ModulePass)), None)
    if on_module and before is not None:
        problems.add(place, f"{name} works on the module, but comes after {before.name}", "move it up")
        return
    try:
        spec = plugin.spec(_spec(tuple(steps)))
    except ValueError as error:
        problems.add(place, str(error), "change the order, or leave one of the two out")
        return
    steps.append(Step(name, plugin, spec))


def _plugins(table: Any, group: Literal["targets", "devices"], kind: type[P], problems: Problems) -> dict[str, P]:
    """The tables of [targets] or [devices]: a table's name is its plugin's, unless it names another."""
    plugins = {}
    for name, options in _named(table, group, problems).items():
        key, place = group.removesuffix("s"), f"{group}.{name}"
        if not isinstance(options, dict):
            problems.add(place, f"must be a table, not {type(options).__name__}")
            continue
        own = dict(options)
        plugin = _plugin(group, own.pop(key, name), place, own, problems, (key,))
        if isinstance(plugin, kind):
            plugins[name] = plugin
    return plugins


def _check_needs(
    model: Model,
    declared: set[str],
    variants: dict[str, tuple[Step, ...]],
    targets: dict[str, Target],
    problems: Problems,
) -> None:
    users: list[tuple[str, Plugin]] = [
        (f"variants.{variant}[{index}] ({step.name})", step.plugin)
        for variant, steps in variants.items()
        for index, step in enumerate(steps)
    ]
    users += [(f"targets.{name}", target) for name, target in targets.items()]
    for place, plugin in users:
        for need in sorted(plugin.needs - declared):
            problems.add(place, f"needs [{need}] data, and {model.name} has none", f"add a [{need}] table")


def options_of(plugin: BaseModel, base: Path) -> Any:
    """A plugin's or table's options as JSON without the machine's paths: what enters keys and provenance."""
    text = plugin.model_dump_json()
    return json.loads(text.replace(f"{base}/", "./").replace(str(base), "."))
