"""Parameters and multiply-accumulates of a program, against the sums done by hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edgeship.toolchain.model.cost import Cost, cost
from edgeship.toolchain.samples import Samples


def test_a_convolution_and_a_linear_layer_cost_what_their_shapes_say() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Linear(4, 5)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = self.head(torch.relu(self.norm(self.conv(image))).mean((2, 3)))
            return features

    example = (torch.randn(1, 3, 8, 8),)
    parameters = (4 * 3 * 9 + 4) + (4 + 4) + (4 * 5 + 5)  # running statistics are no parameters
    assert cost(torch.export.export(Net().eval(), example), example) == Cost(parameters, 8 * 8 * 4 * 3 * 9 + 4 * 5)


def test_classes_are_counted_where_labels_are_one_whole_number_each() -> None:
    inputs = {"x": np.zeros((4, 1, 2), np.float32)}
    assert Samples(inputs, np.array([0, 3, 3, 7])).classes == 3
    assert Samples(inputs, np.zeros((4, 2), np.int64)).classes is None
    assert Samples(inputs, np.zeros(4, np.float32)).classes is None
    assert Samples(inputs).classes is None
