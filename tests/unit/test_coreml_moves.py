"""An image cut into windows, in int8: Core ML takes six dimensions where nothing stands between the moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_coreml_target import answers, context_of, made, sqnr_db
from torch import nn

from edgeship.targets.coreml.target import CoreML
from edgeship.toolchain.api import W8A8_STATIC

pytestmark = pytest.mark.heavy


class Windows(nn.Module):
    """As shifted-window attention cuts its images."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.first(image).view(1, 2, 4, 2, 4, 8)
        return self.last(x.permute(0, 1, 3, 2, 4, 5).reshape(4, 16, 8))


def test_an_image_is_cut_into_windows(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, example = Windows().eval(), (torch.randn(1, 8, 8, 8),)
    context = replace(context_of(net, example, ["image"]), spec=W8A8_STATIC)
    artifact = made(net, context, tmp_path, CoreML(precision="float32"))
    [row] = answers(artifact, tmp_path, [{"image": example[0].numpy()}])
    assert sqnr_db(net(*example), row["output_0"]) > 30
