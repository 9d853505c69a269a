"""The private parts of torchao and ExecuTorch's quantizer are what edgeship takes them for."""

from __future__ import annotations

import inspect

import torch
from torch import nn

from edgeship.toolchain.api import W8A8_STATIC
from edgeship.toolchain.quantization.quantizer import SCALE_FLOOR, fuse_relu6, portable_quantizer, symmetric_config
from edgeship.toolchain.quantization.upstream import (
    drop_unused_state,
    float_scalars_to_buffers,
    fold_batch_norm,
    fold_weights,
    percentile_observer,
)


def exported(net: nn.Module, *example: torch.Tensor) -> torch.fx.GraphModule:
    return torch.export.export(net.eval(), example).module()


def test_the_names_exist():
    from torchao.quantization.pt2e import HistogramObserver
    from torchao.quantization.pt2e.constant_fold import constant_fold
    from torchao.quantization.pt2e.quantize_pt2e import _QUANT_OPS, _quant_node_constraint
    from torchao.quantization.pt2e.utils import _fuse_conv_bn_, _fuse_linear_bn_, get_new_attr_name_with_prefix

    names = (constant_fold, _quant_node_constraint, _fuse_conv_bn_, _fuse_linear_bn_, get_new_attr_name_with_prefix)
    assert all(callable(name) for name in names)
    assert torch.ops.quantized_decomposed.quantize_per_channel.default in _QUANT_OPS
    assert list(inspect.signature(HistogramObserver._non_linear_param_search).parameters) == ["self"]


def test_the_stock_quantizer_still_has_the_floor_that_is_lifted():
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import get_symmetric_quantization_config

    stock = get_symmetric_quantization_config(is_per_channel=True)
    assert stock.weight.observer_or_fake_quant_ctr().eps.item() == 2**-12
    for options in ({}, {"is_qat": True}, {"is_dynamic": True}):
        config = symmetric_config(**options)
        for spec in (config.input_activation, config.weight):
            made = spec.observer_or_fake_quant_ctr()
            observer = getattr(made, "activation_post_process", made)
            assert abs(float(observer.eps) - SCALE_FLOOR) < 1e-12


def test_folding_stores_integers_and_drops_the_floats():
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    net = nn.Linear(8, 4)
    prepared = prepare_pt2e(
        exported(net, torch.randn(2, 8)), portable_quantizer(symmetric_config(), lambda node: W8A8_STATIC)
    )
    prepared(torch.randn(2, 8))
    converted = convert_pt2e(prepared, fold_quantize=False)
    fold_weights(converted)
    assert [value.dtype for value in converted.state_dict().values() if value.dim() == 2] == [torch.int8]


def test_batch_norm_is_folded_and_its_statistics_are_gone():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 4), nn.BatchNorm1d(4))
    for _ in range(3):
        net(torch.randn(8, 1, 4, 4) * 2 + 1)
    image = torch.randn(3, 1, 4, 4)
    module = exported(net, image)
    expected = module(image)
    fold_batch_norm(module)
    torch.testing.assert_close(module(image), expected)
    assert expected.abs().mean() > 0.1
    assert len(module.state_dict()) == 4
    assert not [node for node in module.graph.nodes if "batch_norm" in str(node.target)]


class Arithmetic(nn.Module):
    def forward(self, values: torch.Tensor, places: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return values * 0.5 + 1.0, places * 2 + 1


def test_scalars_of_floats_become_buffers_and_those_of_integers_stay():
    values, places = torch.randn(4), torch.arange(4)
    module = exported(Arithmetic(), values, places)
    float_scalars_to_buffers(module)
    assert sorted(float(value) for value in module.buffers()) == [0.5, 1.0]
    floats, integers = module(values, places)
    torch.testing.assert_close(floats, values * 0.5 + 1)
    assert torch.equal(integers, places * 2 + 1)


def test_the_percentile_observer_cuts_the_tails_and_keeps_everything_at_100():
    values = torch.cat([torch.linspace(-1, 1, 10_000), torch.tensor([50.0])])
    for percentile, low, high in ((99.9, 0.9, 1.2), (100.0, 49.9, 50.1)):
        observer = percentile_observer()(percentile=percentile, dtype=torch.int8, quant_min=-128, quant_max=127)
        observer(values)
        scale, _ = observer.calculate_qparams()
        largest = float(scale) * 255 + (-1.0)
        assert low < largest < high


def test_unused_state_is_dropped_and_used_state_stays():
    module = exported(nn.Linear(3, 2), torch.randn(1, 3))
    module.register_buffer("left_over", torch.ones(2))
    drop_unused_state(module)
    assert sorted(module.state_dict()) == ["bias", "weight"]


def test_only_a_clamp_that_reads_alone_is_fused():
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 2, 3)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            raw = self.conv(image)
            return nn.functional.relu6(raw) + raw

    for net, pairs in ((Shared(), 0), (nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU6()), 1)):
        module = exported(net, torch.randn(1, 1, 8, 8))
        quantizer = portable_quantizer(symmetric_config(), lambda node: W8A8_STATIC)
        module = quantizer.transform_for_annotation(module)
        super(type(quantizer), quantizer).annotate(module)
        assert fuse_relu6(module) == pairs
