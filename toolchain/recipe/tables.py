"""One table of a recipe to its plugin: a pass, a target, a device, a data source with its selection and metric."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgeship.toolchain import registry
from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.plugin import Dataset, Metric, Need, Plugin
from edgeship.toolchain.recipe.plan import Data, Selection
from edgeship.toolchain.recipe.problems import Problems


def made_up() -> Dataset:
    """Where the inputs of a model without data come from."""
    dataset = registry.load("datasets", "synthetic")()
    assert isinstance(dataset, Dataset)
    return dataset


def plugin_of(
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


def data_of(key: Need, table: Any, place: str, problems: Problems) -> Data | None:
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
    dataset = plugin_of("datasets", name, place, options, problems, also)
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
    plugin = plugin_of("metrics", name, place, options, problems, ("name",))
    shown = str(options["function"]).rpartition(":")[2] if name == "python" and "function" in options else str(name)
    return plugin if isinstance(plugin, Metric) else None, shown
