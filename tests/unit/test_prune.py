"""Structured pruning: what is cut, what is kept, and that it comes back from disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from edgeship.toolchain.api import EdgeshipError, Tensor, export
from edgeship.toolchain.model.program import flatten
from edgeship.toolchain.passes.prune import PruneStructured
from tests.models import digit_data
from tests.unit.training_context import Said, accuracy, answers, context, module


def channels(net: nn.Module) -> list[int]:
    return [part.out_channels for part in net.modules() if isinstance(part, nn.Conv2d)]


@pytest.mark.parametrize("importance", ["taylor", "magnitude"])
@pytest.mark.parametrize("scope", ["global", "layer"])
def test_the_share_of_macs_asked_for_is_removed_in_whole_groups_of_channels(importance: str, scope: str) -> None:
    said = Said()
    pruned = PruneStructured(ratio=0.4, importance=importance, scope=scope).apply(module(), context(said=said))
    assert all(count % 8 == 0 for count in channels(pruned))
    assert sum(channels(pruned)) < sum(channels(module()))
    assert not pruned.training
    assert answers(pruned).abs().max() > 0.1
    (line,) = [text for text in said.progress if text.startswith("pruned")]
    assert 30 <= int(line.split("%")[0].split()[-1]) <= 75, line
    assert all(parameter.grad is None for parameter in pruned.parameters())


def test_importance_matters_and_training_images_need_no_labels() -> None:
    train, _ = digit_data()
    unlabelled = replace(train, labels=None)
    taylor = PruneStructured(ratio=0.5).apply(module(), context(training=unlabelled))
    labelled = PruneStructured(ratio=0.5).apply(module(), context())
    assert min(accuracy(taylor), accuracy(labelled)) > 0.25  # chance is 0.1


def test_a_pruned_module_comes_back_from_disk(tmp_path: Path) -> None:
    step = PruneStructured(ratio=0.4)
    pruned = step.apply(module(), context())
    step.save(pruned, tmp_path)
    restored = step.restore(module(), tmp_path, context(training=None)).eval()
    assert channels(restored) == channels(pruned) != channels(module())
    assert torch.equal(answers(restored), answers(pruned))
    step.save(restored, tmp_path)  # what was restored can be stored again
    export(restored, context().example, context().signature)


def test_pruning_twice_cuts_the_same_channels() -> None:
    first, second = (PruneStructured(ratio=0.4).apply(module(), context()) for _ in range(2))
    assert torch.equal(answers(first), answers(second))


def test_ignored_layers_keep_their_channels() -> None:
    kept = PruneStructured(ratio=0.3, ignore=("12",)).apply(module(), context())
    assert channels(kept)[-1] == channels(module())[-1]
    with pytest.raises(EdgeshipError, match="has no module 'stem'"):
        PruneStructured(ignore=("stem",)).apply(module(), context())


def test_a_network_too_narrow_to_prune_is_warned_of() -> None:
    said = Said()
    narrow = flatten(nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 10, 6), nn.Flatten()).eval(), 1)
    PruneStructured(importance="magnitude").apply(narrow, context(said=said))
    assert "only 0% of MACs could be pruned" in said.warnings[0]


class TwoHeads(nn.Module):
    """Outputs behind element-wise operations, of a linear layer and of a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 32, 3, padding=1)
        self.mask = nn.Conv2d(32, 16, 1)
        self.head = nn.Linear(32, 24)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        x = torch.relu(self.stem(image))
        return {"mask": torch.sigmoid(self.mask(x)), "classes": self.head(x.mean((2, 3))) * 2}


def test_every_output_keeps_its_shape_without_being_named() -> None:
    outputs = tuple(
        Tensor(name=name, dtype="float32", shape=shape)
        for name, shape in (("mask", ("batch", 16, 8, 8)), ("classes", ("batch", 24)))
    )
    there = context()
    there = replace(there, signature=replace(there.signature, outputs=outputs))
    pruned = PruneStructured(importance="magnitude", ratio=0.5).apply(flatten(TwoHeads().eval(), 1), there)
    assert [tuple(value.shape) for value in pruned(*there.example)] == [(1, 16, 8, 8), (1, 24)]
    assert channels(pruned) == [16, 16]
