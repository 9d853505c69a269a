"""What a TorchScript graph computes in: its operators counted, their dtypes followed from the inputs on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# operators that move, convert or look up: they say nothing about what the file computes in
MOVES = {
    "quantize_per_tensor", "quantize_per_channel", "dequantize", "to", "_to_copy", "view", "reshape", "flatten",
    "permute", "transpose", "t", "contiguous", "clone", "slice", "select", "unsqueeze", "squeeze", "expand", "cat",
    "stack", "size", "sym_size", "embedding", "embedding_byte", "index", "gather", "detach", "alias", "chunk", "split",
    "unbind", "arange", "zeros", "ones", "full", "dropout", "lift_fresh_copy", "constant_pad_nd", "pad", "Int",
    "ScalarImplicit", "copy_", "_assert_tensor_metadata", "repeat", "dequantize_per_channel", "dequantize_per_tensor",
    "dequantize_per_channel_group", "unflatten", "__getitem__", "item", "dim", "len", "warn", "as_strided",
}  # fmt: skip
FROM_FLOAT = {"linear_dynamic", "linear_relu_dynamic", "embedding_byte"}  # quantized operators that answer float


def operators(graph: torch.Graph) -> Counter[str]:
    """Calls of each operator, blocks of control flow included; `prim::` left out."""
    return Counter(node.kind() for node in nodes_of(graph) if not node.kind().startswith("prim::"))


def compute_dtypes(graph: torch.Graph, inputs: Sequence[str]) -> dict[str, int]:
    """Operators that compute, by dtype; `inputs` are the dtypes of the tensors that go in."""
    values = [value for value in graph.inputs() if value.type().kind() == "TensorType"]
    dtypes = dict(zip((value.debugName() for value in values), inputs, strict=False))
    counts: Counter[str] = Counter()
    for node in nodes_of(graph):
        read = [dtypes[value.debugName()] for value in node.inputs() if value.debugName() in dtypes]
        namespace, _, name = node.kind().partition("::")
        if node.kind() in ("prim::Constant", "prim::GetAttr"):
            answer = _constant_dtype(node)
        elif name.removesuffix("_") == "quantize_per_tensor":
            answer = "int8"
        elif name == "dequantize" or name in FROM_FLOAT or name.startswith("dequantize_per"):
            answer = "float32"
        elif namespace == "quantized":
            answer = "int8"
        elif name in ("to", "_to_copy"):
            answer = _cast(node) or (read[0] if read else None)
        else:
            answer = read[0] if read else None
        tensor = any(value.type().kind() == "TensorType" for value in node.outputs())
        if tensor and namespace in ("aten", "quantized") and name not in MOVES and (read or namespace == "quantized"):
            counts["int8" if namespace == "quantized" else read[0]] += 1
        if answer:
            dtypes.update((value.debugName(), answer) for value in node.outputs())
    return dict(counts)


def stored_tensors(graph: torch.Graph) -> list[tuple[str, str, int]]:
    """Stored tensors: (name, dtype, bytes); weights packed for quantized operators included."""
    found = []
    for node in nodes_of(graph):
        value = constant_value(node)
        for tensor in _tensors(value):
            shape = list(tensor.shape)
            user = next((use.user.kind() for use in node.output().uses()), "constant")
            found.append((f"{user} {shape}", _dtype_name(tensor), tensor.numel() * tensor.element_size()))
    return found


def nodes_of(block: Any) -> list[Any]:
    """The nodes of a graph, those of inner blocks included."""
    return [each for node in block.nodes() for each in [node, *(n for b in node.blocks() for n in nodes_of(b))]]


def constant_value(node: Any) -> Any:
    """What a constant holds; None for every other node."""
    if node.kind() != "prim::Constant" or not node.hasAttributes():
        return None
    return node.output().toIValue()


def _tensors(value: Any) -> list[torch.Tensor]:
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, torch.ScriptObject):
        unpack = getattr(value, "unpack", None)
        return [part for part in unpack() if isinstance(part, torch.Tensor)] if unpack else []
    if isinstance(value, list | tuple):
        return [tensor for part in value for tensor in _tensors(part)]
    return []


def _constant_dtype(node: Any) -> str | None:
    import torch

    value = constant_value(node)
    return _dtype_name(value) if isinstance(value, torch.Tensor) else None


def _dtype_name(tensor: torch.Tensor) -> str:
    name = str(tensor.dtype).removeprefix("torch.")
    return {"qint8": "int8", "quint8": "uint8", "qint32": "int32"}.get(name, name)


def _cast(node: Any) -> str | None:
    """The dtype an `aten::to` names, where it names one."""
    for value in node.inputs():
        if value.type().kind() == "IntType" and value.node().kind() == "prim::Constant":
            return {6: "float32", 5: "float16", 1: "int8", 0: "uint8", 3: "int32", 4: "int64", 11: "bool"}.get(
                value.toIValue()
            )
    return None
