"""The private parts of executorch 1.5 that edgeship stands on."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def lower(program: ExportedProgram, partitioners: Sequence[Any]) -> Any:
    """`to_edge_transform_and_lower` without the checks XNNPACK's own recipes switch off, and without wasted work.

    The file is the stock one to the byte, but for float16 filters; returns the EdgeProgramManager.
    """
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    with without_waste(program), half_filters_stay_half(), copies_with_values(), copies_for_one_reader():
        return to_edge_transform_and_lower(
            program,
            partitioner=list(partitioners),
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )


@contextmanager
def without_waste(program: ExportedProgram) -> Iterator[None]:
    """Leave out what lowering repeats for nothing.

    - Each node's provenance is deep-copied at every visit: a shallow copy serves the same readers.
    - Two XNNPACK passes export sample networks to look for decomposed bilinear resizing and attention: needless
      in programs that have no such operator.
    - The operators with implicit decompositions are collected again at every decomposition.
    """
    import torch._export.utils as export_utils
    import torch.export.exported_program as exported_program
    import torch.fx.traceback as provenance
    from executorch.backends.xnnpack.partition.graphs import bilinear_2d, sdpa

    names = {str(node.target) for node in program.graph.nodes}
    known = export_utils._collect_all_valid_cia_ops()
    with ExitStack() as stack:

        def replace(owner: Any, name: str, value: Any) -> None:
            stack.enter_context(mock.patch.object(owner, name, value))

        replace(provenance, "copy", SimpleNamespace(deepcopy=list, copy=copy.copy))
        replace(export_utils, "_collect_all_valid_cia_ops", lambda: set(known))
        if hasattr(exported_program, "_collect_all_valid_cia_ops"):
            replace(exported_program, "_collect_all_valid_cia_ops", lambda: set(known))
        if not any("upsample" in name or "interpolate" in name for name in names):
            replace(bilinear_2d, "get_graphs_dict", dict)
        if not any("softmax" in name or "attention" in name for name in names):
            replace(sdpa, "get_graphs", list)
        yield


@contextmanager
def half_filters_stay_half() -> Iterator[None]:
    """XNNPACK takes float16 filters and biases of convolutions; ExecuTorch writes them as float32, twice as large."""
    import torch
    from executorch.backends.xnnpack.operators.node_visitor import NodeVisitor

    original = NodeVisitor.define_tensor

    def define_tensor(self: Any, tensor: Any, *args: Any, force_fp32: bool = False, **options: Any) -> None:
        half = tensor.meta["val"].dtype is torch.float16
        original(self, tensor, *args, force_fp32=force_fp32 and not half, **options)

    with mock.patch.object(NodeVisitor, "define_tensor", define_tensor):
        yield


@contextmanager
def copies_with_values() -> Iterator[None]:
    """XNNPACK's layout pass asks for the example value of what a graph answers, which its own copies lack."""
    from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import ChannelsLastTaggedReshapePass

    original = ChannelsLastTaggedReshapePass.create_call_function_node

    def create(self: Any, graph_module: Any, target: Any, args: tuple[Any, ...], memory_format: Any = None) -> Any:
        node = original(self, graph_module, target, args, memory_format)
        if "val" not in node.meta and (value := args[0].meta.get("val")) is not None:
            node.meta["val"] = value if memory_format is None else value.to(memory_format=memory_format)
        return node

    with mock.patch.object(ChannelsLastTaggedReshapePass, "create_call_function_node", create):
        yield


@contextmanager
def copies_for_one_reader() -> Iterator[None]:
    """XNNPACK's layout pass gives a quantized tensor's copy in another layout to all its readers, not to the one it is
    for: what was computed from it before is turned twice, and answers wrong numbers or does not run."""
    from executorch.backends.xnnpack._passes.channels_last_tagged_reshape_pass import ChannelsLastTaggedReshapePass

    original = ChannelsLastTaggedReshapePass.insert_copy_q_dq

    def insert(self: Any, graph_module: Any, before: Any, after: Any, copy: Any, q_params: tuple[Any, ...]) -> None:
        if set(before.users) - {after, copy}:
            with graph_module.graph.inserting_after(before):
                own = graph_module.graph.node_copy(before)
            after.replace_input_with(before, own)
            copy.replace_input_with(before, own)
            before = own
        original(self, graph_module, before, after, copy, q_params)

    with mock.patch.object(ChannelsLastTaggedReshapePass, "insert_copy_q_dq", insert):
        yield
