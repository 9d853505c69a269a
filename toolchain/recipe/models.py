"""The models of a recipe, each with the data that belongs to it."""

from __future__ import annotations

from typing import Any

from edgeship.toolchain.errors import EdgeshipError
from edgeship.toolchain.model.source import ModelSource, declared
from edgeship.toolchain.plugin import Need
from edgeship.toolchain.recipe.plan import CONTRACT, DATA_KEYS, ContractOptions, Data, Model
from edgeship.toolchain.recipe.problems import Problems
from edgeship.toolchain.recipe.tables import data_of, made_up


def models_of(raw: dict[str, Any], problems: Problems) -> list[Model]:
    """[model] or each of [models.NAME]; a model's own data tables come before the recipe's."""
    tables = raw.get("models", {})
    if "model" in raw:
        if tables:
            problems.add("model", "stands beside [models.NAME]", "use one of the two")
        tables = {str(raw.get("name", "model")): raw["model"]}
    if not isinstance(tables, dict) or not tables:
        problems.add("model", "no model is named", 'add [model] with factory = "package.module:function"')
        return []
    models = []
    for name, table in tables.items():
        place = "model" if "model" in raw else f"models.{name}"
        if "model" not in raw:
            problems.check_name(name, place)
        own = {key: table[key] for key in (*DATA_KEYS, CONTRACT) if isinstance(table, dict) and key in table}
        rest = {key: item for key, item in table.items() if key not in own} if isinstance(table, dict) else table
        source = problems.build(ModelSource, place, rest)
        places = {key: f"{place}.{key}" if key in own else key for key in DATA_KEYS if key in own or key in raw}
        data: dict[Need, Data] = {}
        for key, where in places.items():
            if (one := data_of(key, own.get(key, raw.get(key)), where, problems)) is not None:
                data[key] = one
        where = f"{place}.{CONTRACT}" if CONTRACT in own else CONTRACT
        contract = problems.build(ContractOptions, where, own.get(CONTRACT, raw.get(CONTRACT, {})))
        if source is not None and contract is not None:
            _check_data(source, data, places, problems)
            _check_contract(source, contract, where, problems)
            if not {"evaluation", "calibration"} & set(places):
                _check_made_up(source, f"{place}.inputs", problems)
            models.append(Model(name, source, data, contract))
    return models


def _check_data(source: ModelSource, data: dict[Need, Data], places: dict[Need, str], problems: Problems) -> None:
    """What can be known to not fit the model before any data is read."""
    for key, one in data.items():
        try:
            one.dataset.check(declared(source))
        except EdgeshipError as error:
            problems.add_error(places[key], error)
        try:
            if one.metric is not None and source.outputs:
                one.metric.check(source.outputs)
        except EdgeshipError as error:
            problems.add_error(f"{places[key]}.metric", error)


def _check_contract(source: ModelSource, contract: ContractOptions, place: str, problems: Problems) -> None:
    """That it names the model's inputs and outputs, and its pictures may have their shapes."""
    from edgeship.calibration.preprocess import Preprocess

    signature = declared(source)
    tensors = {tensor.name: tensor for tensor in signature.inputs}
    for name in (*contract.pictures, *contract.sounds):
        where = f"{place}.{'pictures' if name in contract.pictures else 'sounds'}.{name}"
        if name not in tensors:
            problems.unknown(where, "input", name, set(tensors))
        elif name in contract.pictures:
            try:
                Preprocess(**contract.pictures[name].model_dump()).check(tensors[name], signature)
            except EdgeshipError as error:
                problems.add_error(where, error)
        elif tensors[name].shape[-1] not in (contract.sounds[name].frame, *signature.dims):
            problems.add(where, f"frame = {contract.sounds[name].frame}, the input takes {tensors[name].shape[-1]}")
    for key, output in (("logits", contract.logits), ("probabilities", contract.probabilities)):
        if output is not None and source.outputs and output not in source.outputs:
            problems.unknown(f"{place}.{key}", "output", output, set(source.outputs))


def _check_made_up(source: ModelSource, place: str, problems: Problems) -> None:
    """Without data, artifacts are compared on inputs that are made up."""
    try:
        made_up().check(declared(source))
    except EdgeshipError as error:
        problems.add_error(place, error)
