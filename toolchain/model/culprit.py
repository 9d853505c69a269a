"""Which operator a converter stops at: named by its error, else found by converting the program up to a node."""

from __future__ import annotations

import operator
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeship.toolchain.errors import EdgeshipError, ExportError, first_line
from edgeship.toolchain.model import program as programs
from edgeship.toolchain.plugin import Context

if TYPE_CHECKING:
    from torch.export import ExportedProgram
    from torch.fx import GraphModule, Node

Convert = Callable[["ExportedProgram"], object]
"""Converts a program with the model's inputs and any outputs; what it answers is dropped."""
PROBES, SECONDS = 16, 90.0
"""Bounds of a search: a network of thousands of nodes takes 12 conversions; each may take seconds."""
_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in [^\n]*(?:\n\s+(?P<code>[^\n]+))?')
_OURS = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Place:
    """An operator of the program: aten.avg_pool2d.default, its module's path, and the user's source line."""

    operator: str
    module: str
    source: str

    def __str__(self) -> str:
        module = f" at {self.module}" if self.module else ""
        return f"{self.operator}{module}" + (f" ({self.source})" if self.source else "")


def conversion_error(
    tool: str, error: Exception, program: ExportedProgram, context: Context, convert: Convert, hint: str = ""
) -> ExportError:
    """The error of a converter with the operator, its module and source line; the converter's own words stay in it.

    `convert` repeats the conversion for programs that are cut off behind a node, until the node is found at which it
    starts to fail with the same words: PROBES conversions and SECONDS at most, then what was found so far is said.
    """
    said = first_line(error)
    traceback.print_exception(error)  # into the log, whatever the search does
    try:
        where = _named(program, str(error)) or _searched(program, context, convert, error)
    except Exception as failure:  # a search that fails must not stand in the place of what it explains
        traceback.print_exception(failure)
        where = ""
    if not where:
        return ExportError(f"{tool} cannot convert the program: {said}", hint or "see the log for its full report")
    remedy = hint or "write this part with other operators, or leave this target out"
    return ExportError(f"{tool} cannot convert {where}: {said}", remedy)


def place(node: Node) -> Place:
    """Where a node of a program comes from."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    path = str(stack[-1][0]) if stack else ""
    frames = [found for found in _FRAME.finditer(node.meta.get("stack_trace") or "") if _is_users(found["file"])]
    source = ""
    if frames:
        last = frames[-1]
        source = f"{Path(last['file']).name}:{last['line']}" + (f": {last['code'].strip()}" if last["code"] else "")
    return Place(str(node.target), path.removeprefix("model").removeprefix("."), source)


def _is_users(file: str) -> bool:
    return not re.search(r"/torch(ao)?/|^<", file) and _OURS not in Path(file).resolve().parents


def _named(program: ExportedProgram, message: str) -> str:
    """The first operator of the program that the message names, in quotes or with its namespace."""
    quoted = {name.replace("::", ".") for name in re.findall(r"['\"`]([\w.:]+)['\"`]", message)}
    quoted |= {name.replace("::", ".") for name in re.findall(r"\b\w+(?:\.|::)\w+(?:\.\w+)?\b", message)}
    for node in _calls(program.graph_module):
        target = str(node.target)
        if {target, target.rpartition(".")[0], target.split(".")[1] if "." in target else target} & quoted:
            return str(place(node))
    return ""


def _calls(module: GraphModule) -> list[Node]:
    return [node for node in module.graph.nodes if node.op == "call_function" and node.target is not operator.getitem]


def _searched(program: ExportedProgram, context: Context, convert: Convert, error: Exception) -> str:
    """The node behind which cut-off programs begin to fail, or the two it lies between when time is up."""
    nodes = _calls(program.graph_module)
    passing, failing = -1, len(nodes) - 1
    seen = False
    end = time.monotonic() + SECONDS
    for _ in range(PROBES):
        if (failing - passing <= 1 and seen) or time.monotonic() > end:
            break
        middle = (passing + failing) // 2 if failing - passing > 1 else failing
        if _fails_alike(program, nodes[middle].name, context, convert, error):
            failing, seen = middle, True
        elif middle == failing:
            return ""  # the whole program, exported again, does not fail: nothing of one operator
        else:
            passing = middle
    if failing - passing <= 1:
        return str(place(nodes[failing])) if seen else ""
    if not seen and passing < 0:
        return ""
    return f"what lies between {place(nodes[max(passing, 0)])} and {place(nodes[failing])}"


def _fails_alike(program: ExportedProgram, last: str, context: Context, convert: Convert, error: Exception) -> bool:
    try:
        convert(cut_off(program, last, context))
    except EdgeshipError:
        return False  # a cut that cannot be exported says nothing
    except Exception as other:
        return _words(other) == _words(error)
    return False


def _words(error: Exception) -> str:
    """An error without the numbers and names in which two conversions of one fault may differ."""
    return type(error).__name__ + re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "", first_line(error))


def cut_off(program: ExportedProgram, last: str, context: Context) -> ExportedProgram:
    """The program up to the node of this name: its outputs are all the tensors that what follows would have read."""
    from torch.utils import _pytree as pytree

    module: Any = program.module()
    names = {node.name: node for node in module.graph.nodes}
    kept: list[Node] = []
    nodes = list(module.graph.nodes)
    end = nodes.index(names[last])
    while end + 1 < len(nodes) and nodes[end + 1].target is operator.getitem:
        end += 1
    position = {node: index for index, node in enumerate(nodes)}
    for node in nodes[: end + 1]:
        read_later = any(position[user] > end for user in node.users)
        if node.op == "call_function" and read_later and hasattr(node.meta.get("val"), "shape"):
            kept.append(node)
    output = nodes[-1]
    output.args = (tuple(kept),)
    info = module.graph._codegen.pytree_info
    module.graph._codegen.pytree_info = info._replace(out_spec=pytree.tree_flatten(tuple(kept))[1])
    for node in reversed(nodes[end + 1 : -1]):
        module.graph.erase_node(node)
    module.graph.eliminate_dead_code()
    module.recompile()
    return programs.export(module, context.example, context.signature)
