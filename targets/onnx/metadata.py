"""What a shipped file says about its origin: edgeship, and nothing of the author's machine; that is kept beside it."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

from edgeship.toolchain.api import ORIGINS, EdgeshipError

if TYPE_CHECKING:
    import onnx_ir as ir

PRODUCER = "edgeship"
_TRACE = "pkg.torch.onnx.stack_trace"
_SCOPE = "pkg.torch.onnx.name_scopes"
_TRACES = (b"/site-packages/", b'File "', b"<locals>")


def keep_origins(model: ir.Model, out: Path) -> None:
    """Write ORIGINS into `out` from what torch's exporter says of the nodes; nodes that edgeship made have none."""
    origins: dict[str, dict[str, str]] = {}
    for node in model.graph.all_nodes():
        said = {"module": _scope(node.metadata_props.get(_SCOPE, "")), "trace": node.metadata_props.get(_TRACE, "")}
        if node.name and any(said.values()):
            origins[node.name] = {"operator": node.op_type, **{key: text for key, text in said.items() if text}}
    (out / ORIGINS).write_text(json.dumps(origins, indent=1))


def _scope(scopes: str) -> str:
    """The innermost module of a list such as "['', 'features', 'features.0', 'conv2d']"; its last is the node."""
    names = ast.literal_eval(scopes) if scopes else []
    return names[-2] if len(names) > 1 else ""


def normalize(model: ir.Model) -> None:
    """Drop torch's stack traces, docstrings and producer version, so that equal programs give equal bytes."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    ClearMetadataAndDocStringPass()(model)
    for value in (*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()):
        value.metadata_props.clear()
        value.doc_string = None
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    model.graph.name = "main"
    model.doc_string = model.domain = None
    model.producer_name, model.producer_version, model.model_version = PRODUCER, None, None


def refuse_traces(file: Path) -> None:
    """EdgeshipError when the bytes hold a path of this machine or a Python stack trace."""
    data = file.read_bytes()
    found = [trace for trace in (*_TRACES, *_places()) if trace in data]
    if found:
        raise EdgeshipError(
            f"{file.name} holds {', '.join(repr(trace.decode()) for trace in found)} from this machine",
            "report it: torch's exporter writes metadata where edgeship does not look yet",
        )


def _places() -> list[bytes]:
    # the root folder's "/" is part of many honest names
    return [f"{place}/".encode() for place in (Path.cwd(), Path.home()) if len(place.parts) > 1]
