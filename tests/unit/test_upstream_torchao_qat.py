"""torchao's QAT patterns, traced without dynamo, are the graphs that torchao itself makes."""

from __future__ import annotations

import contextlib

import torch
from torch.nn import functional

from edgeship.toolchain.quantization.upstream import quick_patterns


class Pattern(torch.nn.Module):
    def forward(self, x: torch.Tensor, weight: torch.Tensor, mean: torch.Tensor, var: torch.Tensor) -> torch.Tensor:
        x = functional.conv2d(x, weight)
        return functional.batch_norm(x, mean, var, training=True)


def test_both_ways_of_tracing_give_one_graph_and_the_original_export_comes_back() -> None:
    from torchao.quantization.pt2e.utils import _get_aten_graph_module_for_pattern as trace

    original = torch.export.export
    inputs = (torch.rand(1, 1, 3, 3), torch.rand(1, 1, 1, 1), torch.zeros(1), torch.ones(1))
    graphs = []
    for way in (quick_patterns, contextlib.nullcontext):
        with way():
            graph = trace(Pattern(), inputs).graph
        graphs.append([(node.op, str(node.target), str(node.args[1:])) for node in graph.nodes])
    assert graphs[0] == graphs[1]
    assert any("batch_norm" in target for _, target, _ in graphs[0])
    assert torch.export.export is original
