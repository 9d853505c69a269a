"""What edgeship takes from executorch's private side is still there."""

from __future__ import annotations

import re
from pathlib import Path

import executorch
import models
import pytest
import torch

from edgeship.targets.executorch.schemas import FIELDS, SCALAR_TYPES, XNN_DATATYPES, XNN_FIELDS, XNN_NODES
from edgeship.targets.executorch.upstream import lower

pytestmark = pytest.mark.heavy

ROOT = Path(executorch.__path__[0])
PROGRAM = ROOT / "exir/_serialize/program.fbs"
XNNPACK = ROOT / "backends/xnnpack/serialization/runtime_schema.fbs"


def tables(schema: Path) -> dict[str, list[str]]:
    """Table → its fields by position; a union takes two."""
    text = re.sub(r"//.*", "", schema.read_text())
    unions = set(re.findall(r"union (\w+)", text))
    found = {}
    for name, body in re.findall(r"table (\w+)\s*\{(.*?)\}", text, re.S):
        fields: list[str] = []
        for field, kind in re.findall(r"(\w+)\s*:\s*\[?(\w+)", body):
            fields += [f"{field}_type", field] if kind in unions else [field]
        found[name] = fields
    return found


@pytest.mark.parametrize(("schema", "expected"), [(PROGRAM, FIELDS), (XNNPACK, XNN_FIELDS)])
def test_fields_stand_where_the_published_schema_puts_them(schema: Path, expected: dict[str, dict[str, int]]) -> None:
    found = tables(schema)
    for table, fields in expected.items():
        for field, position in fields.items():
            assert found[table][position] == field, (table, field)


def test_xnnpacks_nodes_and_dtypes_stand_in_the_schemas_order() -> None:
    text = re.sub(r"//.*", "", XNNPACK.read_text())
    body = re.search(r"union XNodeUnion \{(.*?)\}", text, re.S)
    assert body
    found = tables(XNNPACK)
    members = re.findall(r"XNN(\w+)(?:\s*:\s*(\w+))?\s*,", body[1])
    assert [name for name, _ in members] == [name for name, _ in XNN_NODES]
    for (name, table), (_, position) in zip(members, XNN_NODES, strict=True):
        field = found[table or f"XNN{name}"][position]
        assert field in ("input_id", "input1_id", "query_id"), (name, field)
    enum = re.search(r"enum XNNDatatype : short \{(.*?)\}", text, re.S)
    assert enum
    short = dict(re.findall(r"xnn_datatype_(\w+) = (\d+)", enum[1]))
    assert len(short) == len(XNN_DATATYPES)
    assert XNN_DATATYPES[int(short["fp16"])] == "float16"
    assert XNN_DATATYPES[int(short["qdint8"])] == "int8"
    assert XNN_DATATYPES[int(short["qbint4"])] == "int4"


def test_scalar_types_have_the_numbers_of_executorch() -> None:
    from executorch.exir.scalar_type import ScalarType

    names = {ScalarType.FLOAT: "float32", ScalarType.HALF: "float16", ScalarType.CHAR: "int8", ScalarType.LONG: "int64"}
    assert {number: SCALAR_TYPES[number] for number in names} == names


def test_lowering_without_waste_gives_the_stock_file_to_the_byte() -> None:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    net, example = models.conv_net()
    program = torch.export.export(net, example)
    config = EdgeCompileConfig(_check_ir_validity=False)
    stock = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()], compile_config=config)
    ours = lower(torch.export.export(net, example), [XnnpackPartitioner()])
    assert ours.to_executorch().buffer == stock.to_executorch().buffer
