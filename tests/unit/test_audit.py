"""The constants of files beside their programs': the sound pass, and one altered number is a fault."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from audits import compare

from edgeship.toolchain.api import Affine, Inventory, Signature, Tensor, Weight, convolution, export
from edgeship.toolchain.model.candidates import Candidates
from edgeship.toolchain.model.constants import constants_of
from edgeship.toolchain.model.expected import Constants, Layer
from edgeship.toolchain.model.folds import Folded
from edgeship.toolchain.model.program import flatten
from tests.models import digit_net

Program = torch.export.ExportedProgram
SIGNATURE = Signature(
    (Tensor(name="image", dtype="float32", shape=(1, 1, 8, 8)),),
    (Tensor(name="logits", dtype="float32", shape=(1, 10)),),
)


@functools.cache
def float_program() -> Program:
    net, example = digit_net()
    return export(flatten(net, 1), example, SIGNATURE)


def as_a_file(constants: Constants, float_layers: bool = True) -> Inventory:
    """What a target would write that stores every constant as it is."""
    weights = [Weight(layer.place, layer.values, layer.grid, layer.bias) for layer in constants.layers]
    later = [array for layer in constants.layers for fold in layer.folded for array in fold.alone[0]]
    floats = [array for each in constants.floats for array in each.alternatives[0]]
    return Inventory(weights, constants.activations, [*floats, *later])


def folded_file(constants: Constants) -> Inventory:
    """What a target would write that folds every batch norm."""
    return Inventory(
        [
            Weight(layer.place, fold.weight.astype(np.float32), None, fold.bias.astype(np.float32))
            if (fold := layer.folded[-1] if layer.folded else None)
            else Weight(layer.place, layer.values, None, layer.bias)
            for layer in constants.layers
        ]
    )


def test_a_file_that_stores_a_program_as_it_is_passes_and_so_does_one_with_its_batch_norms_folded() -> None:
    constants = constants_of(float_program())
    plain, folded = compare(constants, as_a_file(constants)), compare(constants, folded_file(constants))
    assert plain.faults == folded.faults == ()
    assert str(folded) == "12 of 12 constants accounted for"  # six weights, six biases
    assert plain.accounted == 27  # six weights, one bias, four numbers of each of five batch norms


def test_weights_in_another_layout_are_the_same_weights() -> None:
    constants = constants_of(float_program())
    file = folded_file(constants)
    turned = [
        replace(each, values=np.moveaxis(each.values, 0, -1).copy() if each.values.ndim == 4 else each.values.T.copy())
        for each in file.weights
    ]
    assert compare(constants, Inventory(turned)).faults == ()


def test_a_folded_weight_is_rounded_to_half_precision_once() -> None:
    constants = constants_of(float_program())
    file = folded_file(constants)

    def halves(factor: float) -> Inventory:
        weights = [replace(each, values=(each.values * factor).astype(np.float16)) for each in file.weights]
        return Inventory([replace(each, bias=each.bias.astype(np.float16)) for each in weights])  # type: ignore

    assert compare(constants, halves(1)).faults == ()
    assert compare(constants, halves(1.0006)).faults  # what an epsilon of 1e-3 makes of a variance of 0.8


@pytest.mark.parametrize("position", range(6))
def test_two_channels_in_each_others_place_are_a_fault(position: int) -> None:
    constants = constants_of(float_program())
    file = folded_file(constants)
    order = [1, 0, *range(2, len(file.weights[position].values))]
    file.weights[position] = replace(file.weights[position], values=file.weights[position].values[order])
    assert compare(constants, file).faults


@pytest.mark.parametrize("position", range(6))
def test_a_folded_bias_shifted_by_a_hundredth_of_its_size_is_a_fault(position: int) -> None:
    constants = constants_of(float_program())
    file = folded_file(constants)
    weight = file.weights[position]
    assert weight.bias is not None
    file.weights[position] = replace(weight, bias=weight.bias + np.abs(weight.bias).max() / 100)
    (fault,) = compare(constants, file).faults
    assert constants.layers[position].place in fault
    assert "bias" in fault


def test_an_integer_weight_that_the_program_does_not_have_is_a_fault() -> None:
    constants = constants_of(float_program())
    file = folded_file(constants)
    file.weights.append(Weight("Conv 7", np.arange(27, dtype=np.int8).reshape(3, 9), Affine.of(0.1)))
    assert compare(constants, file).faults == ("Conv 7: integers [3, 9] that the program does not have",)


class Scaled(torch.nn.Module):
    """A convolution, dropout and a factor per channel (ConvNeXt's layer scale); a batch norm that follows no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.layer, self.drop = torch.nn.BatchNorm2d(1), torch.nn.Conv2d(1, 10, 8), torch.nn.Dropout(0.5)
        self.gamma = torch.nn.Parameter(torch.linspace(0.3, 0.7, 10))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return (self.drop(self.layer(self.norm(image))) * self.gamma[:, None, None]).flatten(1)


def test_dropout_hides_no_factor_and_a_norm_may_be_written_step_by_step() -> None:
    torch.manual_seed(0)
    net = Scaled()
    net(torch.rand(16, 1, 8, 8) * 3)
    with torch.no_grad():
        net.norm.weight.fill_(0.7)
        net.norm.bias.fill_(0.2)
    constants = constants_of(export(flatten(net.eval(), 1), (torch.randn(1, 1, 8, 8),), SIGNATURE))
    assert [len(layer.folded) for layer in constants.layers] == [1]
    deviation = 1 / np.sqrt(net.norm.running_var.numpy() + 1e-5)
    norm = [net.norm.weight.detach().numpy(), net.norm.bias.detach().numpy(), net.norm.running_mean.numpy(), deviation]
    file = replace(folded_file(constants), floats=norm)
    assert compare(constants, file).faults == ()
    assert compare(constants, replace(file, floats=[*norm[:3], deviation * np.float32(1.02)])).faults


class Told(torch.nn.Module):
    """A dilated convolution, a layer norm and a softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = torch.nn.Conv2d(1, 10, 3, 2, 2, 2), torch.nn.LayerNorm(10, 1e-6)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.softmax(self.norm(self.layer(image).mean((2, 3))), 1)


def test_what_an_operator_is_told_is_the_programs() -> None:
    torch.manual_seed(0)
    constants = constants_of(export(flatten(Told().eval(), 1), (torch.randn(1, 1, 8, 8),), SIGNATURE))
    file = as_a_file(constants)
    (weight,) = file.weights
    told = {"stride": (2, 2), "padding": (2, 2, 2, 2), "dilation": (2, 2), "groups": ()}
    assert constants.layers[0].settings == told == convolution([2, 2], [2, 2, 2, 2], [2, 2], 1)
    for name, number in (("epsilon", 1e-6), ("epsilon", float(np.float32(1e-6))), ("softmax axis", -1)):
        assert compare(constants, replace(file, settings=[("here", name, number)])).faults == ()
    assert compare(constants, replace(file, weights=[replace(weight, settings=told)])).faults == ()
    (wrong,) = compare(constants, replace(file, settings=[("norm 3", "epsilon", 1e-3)])).faults
    assert wrong == "norm 3: its epsilon 0.001 is not the program's"
    assert compare(constants, replace(file, settings=[("norm", "epsilon", 1e-5)])).faults  # the operator's default
    assert compare(constants, replace(file, settings=[("softmax", "softmax axis", 0)])).faults
    least = replace(file, settings=[("norm", "epsilon", float(np.finfo(np.float16).smallest_subnormal))])
    assert compare(constants, least).faults  # of an epsilon that half precision has
    assert compare(replace(constants, numbers={"epsilon": {0.0, 1e-12}}), least).faults == ()
    for name in told:
        other = replace(weight, settings={**told, name: (3,)})
        assert compare(constants, replace(file, weights=[other])).faults == (
            f"layer (conv2d): the {name} is not the program's",
        )


def test_layers_of_one_shape_are_told_apart_before_their_numbers_are_compared() -> None:
    random = np.random.default_rng(0)
    weights = [random.standard_normal((64, 64), np.float32) for _ in range(20)]
    factor, one = np.full((64, 1), 2.0), np.ones(1)
    layers = [
        Layer(str(index), each, folded=(Folded(None, each, factor, one, one, ()),))  # type: ignore[arg-type]
        for index, each in enumerate(weights)
    ]
    same, computed = Candidates(layers).of(Weight("", weights[7]))
    assert (same, computed) == ([7], [])
    same, computed = Candidates(layers).of(Weight("", 2 * weights[7]))
    assert (same, computed) == ([], [7])
