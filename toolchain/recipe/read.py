"""Recipe tables to checked plans, every error at once with its place and remedy, without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from edgeship.toolchain import registry
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.plugin import (
    Analysis,
    Device,
    ModulePass,
    ModuleToProgramPass,
    Pass,
    Plugin,
    Target,
)
from edgeship.toolchain.recipe import lock as locks
from edgeship.toolchain.recipe import text
from edgeship.toolchain.recipe.budgets import budgets_of
from edgeship.toolchain.recipe.lock import Lock
from edgeship.toolchain.recipe.models import models_of
from edgeship.toolchain.recipe.plan import (
    CONTRACT,
    DATA_KEYS,
    BenchOptions,
    BuildOptions,
    Model,
    Plan,
    Recipe,
    Step,
    VerifyOptions,
    spec_after,
)
from edgeship.toolchain.recipe.problems import Problems
from edgeship.toolchain.recipe.tables import plugin_of

P = TypeVar("P", bound=Plugin)

OPTION_KEYS = ("verify", "bench", "build")
TABLES = ("variants", "targets", "devices", "analyses", "budgets")
KEYS = ("name", "model", "models", *DATA_KEYS, CONTRACT, *TABLES, *OPTION_KEYS)


def read(path: Path) -> Recipe:
    """Read and check a recipe file and the lock beside it; RecipeError lists everything that is wrong with them."""
    return parse(text.read_text(path), path.resolve().parent, str(path), path.stem, locks.read(path))


def parse(
    content: str, base: Path, place: str = "recipe", default_name: str = "recipe", lock: Lock | None = None
) -> Recipe:
    """Check a recipe's text; relative paths in it are taken from `base`."""
    return from_tables(text.tables(content, place), base, place, default_name, content, lock)


def from_tables(
    raw: dict[str, Any], base: Path, place: str, default_name: str, content: str = "", lock: Lock | None = None
) -> Recipe:
    """Check a recipe given as tables (what TOML parses to); RecipeError lists all problems.

    Paths that begin with ./ or ../ are taken from `base`.
    """
    raw = text.absolute(raw, base)
    problems = Problems(base)
    for key in raw:
        if key not in KEYS:
            problems.unknown(key, "table", key, KEYS)
    if "name" in raw:
        problems.check_name(raw["name"], "name")
    if raw.get("devices") == {}:
        problems.add("devices", "names no device", "name one, as in [devices.local], or leave the table out")
    models = models_of(raw, problems)
    variants = _variants(locks.merged(raw.get("variants", {"float": []}), lock, problems), lock, problems)
    targets = _plugins(raw.get("targets", {}), "targets", Target, problems)
    devices = _plugins(raw.get("devices", {"local": {}}), "devices", Device, problems)
    analyses = _plugins(raw.get("analyses", {}), "analyses", Analysis, problems)
    for name, analysis in analyses.items():
        _check_analysis(f"analyses.{name}", analysis, variants, models, problems)
    names = {"model": [model.name for model in models], "variant": variants, "target": targets}
    has_metric = any(data.metric for model in models for data in model.data.values())
    budgets = budgets_of(raw.get("budgets", []), names, devices, has_metric, problems)
    verify = problems.build(VerifyOptions, "verify", raw.get("verify", {}))
    bench = problems.build(BenchOptions, "bench", raw.get("bench", {}))
    build = problems.build(BuildOptions, "build", raw.get("build", {}))
    if not targets and not problems.found:
        problems.add(
            "targets", "no target is named", f"add [targets.onnx]; known: {', '.join(registry.names('targets'))}"
        )
    for model in models:
        known = {*model.data, *raw, *raw.get("models", {}).get(model.name, {})}  # a wrong table was named already
        _check_needs(model, known, variants, targets, problems)
    problems.raise_any(place)
    assert verify is not None
    assert bench is not None
    assert build is not None
    plans = tuple(
        Plan(model, variant, steps, name, target, target.unsupported(spec_after(steps), _dynamic(model.source)))
        for model in models
        for variant, steps in variants.items()
        for name, target in targets.items()
    )
    name = str(raw.get("name", default_name))
    return Recipe(name, base, tuple(models), plans, devices, verify, bench, build, content, budgets, analyses, lock)


def _dynamic(source: ModelSource) -> bool:
    return any(isinstance(size, str) for tensor in source.inputs for size in tensor.shape)


def _named(table: Any, place: str, problems: Problems) -> dict[str, Any]:
    if not isinstance(table, dict):
        problems.add(place, f"must be a table, not {type(table).__name__}")
        return {}
    for name in table:
        problems.check_name(name, f"{place}.{name}")
    return table


def _variants(table: Any, lock: Lock | None, problems: Problems) -> dict[str, tuple[Step, ...]]:
    variants = {}
    for name, passes in _named(table, "variants", problems).items():
        if not isinstance(passes, list):
            problems.add(f"variants.{name}", "must be a list of passes", 'e.g. ["quantize-static"]')
            continue
        steps: list[Step] = []
        for index, item in enumerate(passes):
            place = f"variants.{name}[{index}]"
            options = dict(item) if isinstance(item, dict) else {"pass": item}
            plugin = plugin_of("passes", options.pop("pass", None), place, options, problems, ("pass",))
            if isinstance(plugin, Pass):
                pass_name = item["pass"] if isinstance(item, dict) else item
                decision = lock.decisions.get(place) if lock else None
                _append(steps, pass_name, plugin, decision.analysis if decision else "", place, problems)
        variants[name] = tuple(steps)
    return variants


def _append(steps: list[Step], name: str, plugin: Pass, decided_by: str, place: str, problems: Problems) -> None:
    on_module = isinstance(plugin, ModulePass | ModuleToProgramPass)
    before = next((s for s in steps if not isinstance(s.plugin, ModulePass)), None)
    if on_module and before is not None:
        problems.add(place, f"{name} works on the module, but comes after {before.name}", "move it up")
        return
    try:
        spec = plugin.spec(spec_after(tuple(steps)))
    except ValueError as error:
        problems.add(place, str(error), "change the order, or leave one of the two out")
        return
    steps.append(Step(name, plugin, spec, decided_by))


def _plugins(
    table: Any, group: Literal["targets", "devices", "analyses"], kind: type[P], problems: Problems
) -> dict[str, P]:
    """The tables of [targets], [devices] or [analyses]: a table's name is its plugin's, unless it names another."""
    plugins = {}
    for name, options in _named(table, group, problems).items():
        key, place = registry.SINGULAR[group], f"{group}.{name}"
        if not isinstance(options, dict):
            problems.add(place, f"must be a table, not {type(options).__name__}")
            continue
        own = dict(options)
        plugin = plugin_of(group, own.pop(key, name), place, own, problems, (key,))
        if isinstance(plugin, kind):
            plugins[name] = plugin
    return plugins


def _check_analysis(
    place: str, analysis: Analysis, variants: dict[str, tuple[Step, ...]], models: list[Model], problems: Problems
) -> None:
    """An analysis decides about a pass that is there, by a model that is there and has the data it needs."""
    if analysis.variant not in variants:
        problems.add(f"{place}.variant", f"there is no variant {analysis.variant!r}", f"one of {', '.join(variants)}")
    elif not problems.found and analysis.step >= len(variants[analysis.variant]):  # a wrong pass was named already
        count = len(variants[analysis.variant])
        problems.add(f"{place}.step", f"variant {analysis.variant} has {count} passes", "they are counted from 0")
    names = [model.name for model in models]
    chosen = [model for model in models if analysis.model in (None, model.name)]
    if names and len(chosen) != 1:
        problems.add(f"{place}.model", "does not name the one model to look at", f"one of {', '.join(names)}")
    for model in chosen[:1]:
        for need in sorted(analysis.needs - set(model.data)):
            problems.add(place, f"needs [{need}] data, and {model.name} has none", f"add a [{need}] table")


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
