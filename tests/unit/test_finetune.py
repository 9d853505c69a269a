"""Training that repairs: with and without labels, after a kill, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeship.toolchain.api import DataError, EdgeshipError
from edgeship.toolchain.model.program import flatten
from edgeship.toolchain.passes.finetune import Finetune
from edgeship.toolchain.passes.prune import PruneStructured
from edgeship.toolchain.passes.training import CHECKPOINT
from tests.models import digit_data
from tests.unit.training_context import Said, accuracy, context, module

ROOT = Path(__file__).parents[2]


@pytest.fixture
def one_thread() -> Any:
    """Sums in one order, as in the subprocess."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(net: torch.nn.Module) -> torch.Tensor:
    return torch.cat([tensor.flatten().double() for tensor in net.state_dict().values()])


def test_distillation_without_labels_repairs_a_pruned_net() -> None:
    train, _ = digit_data()
    pruned = PruneStructured(ratio=0.5).apply(module(), context())
    before, said = accuracy(pruned), Said()
    repaired = Finetune(epochs=4, lr=3e-3).apply(pruned, context(said=said, training=replace(train, labels=None)))
    assert before < 0.9
    assert accuracy(repaired) > max(0.94, accuracy(module()) - 0.03)
    assert not repaired.training
    assert not said.warnings
    assert sum("loss" in text for text in said.progress) == 4


@pytest.mark.parametrize(
    "options",
    [{"distill": 0.0}, pytest.param({"distill": 0.5}, marks=pytest.mark.slow), {"objective": "values"}],
    ids=["labels", "both", "values"],
)
def test_each_kind_of_loss_repairs(options: dict[str, Any]) -> None:
    pruned = PruneStructured(ratio=0.4).apply(module(), context())
    before = accuracy(pruned)
    after = accuracy(Finetune(epochs=2, lr=3e-3, **options).apply(pruned, context()))
    assert after > max(0.9, before)


@pytest.mark.heavy
def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(tmp_path: Path, one_thread: None) -> None:
    script = """
        import os, signal
        from pathlib import Path
        import torch
        torch.set_num_threads(1)
        from tests.unit.training_context import context, module
        from edgeship.toolchain.passes.finetune import Finetune

        def kill_in_the_middle_of_epoch_3(text):
            if text.startswith("epoch 3") and "%" in text:
                os.kill(os.getpid(), signal.SIGKILL)

        Finetune(epochs=4).apply(module(), context(Path("SCRATCH"), progress=kill_in_the_middle_of_epoch_3))
    """
    text = textwrap.dedent(script).replace("SCRATCH", str(tmp_path))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run([sys.executable, "-c", text], cwd=ROOT, env=environment, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()[-2000:]
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]

    said = Said()
    resumed = Finetune(epochs=4).apply(module(), context(tmp_path, said))
    assert said.progress[0] == "going on after epoch 2"
    whole = Finetune(epochs=4).apply(module(), context())
    assert torch.equal(weights(resumed), weights(whole))
    assert not torch.equal(weights(whole), weights(module()))


def test_a_damaged_checkpoint_starts_again(tmp_path: Path, one_thread: None) -> None:
    Finetune(epochs=1).apply(module(), context(tmp_path))
    content = (tmp_path / CHECKPOINT).read_bytes()
    (tmp_path / CHECKPOINT).write_bytes(content[: len(content) // 2])
    said = Said()
    again = Finetune(epochs=1).apply(module(), context(tmp_path, said))
    assert "is damaged: training starts again" in said.warnings[0]
    assert torch.equal(weights(again), weights(Finetune(epochs=1).apply(module(), context())))


def test_data_that_does_not_do_is_refused() -> None:
    train, _ = digit_data()
    with pytest.raises(DataError, match="no training samples"):
        Finetune().apply(module(), context(training=None))
    with pytest.raises(DataError, match="synthetic"):
        Finetune().apply(module(), context(training=replace(train, synthetic=True)))
    with pytest.raises(DataError, match="no labels"):
        Finetune(distill=0.5).apply(module(), context(training=replace(train, labels=None)))
    with pytest.raises(EdgeshipError, match="no float model"):
        Finetune().apply(module(), context(teacher=None))


def test_outputs_that_are_no_class_scores_are_refused_with_the_option_to_set() -> None:
    for last in (torch.nn.Softmax(1), torch.nn.Unflatten(1, (5, 2))):
        make = lambda last=last: flatten(torch.nn.Sequential(module().model, last).eval(), 1)  # noqa: E731
        with pytest.raises(EdgeshipError) as caught:
            Finetune(epochs=1).apply(make(), context(teacher=make))
        assert "objective = 'values'" in caught.value.hint


def test_training_that_diverges_is_an_error() -> None:
    with pytest.raises(EdgeshipError, match="diverged in epoch"):
        Finetune(epochs=3, lr=1e18, objective="values").apply(module(), context())


def test_a_model_that_fixes_its_batch_is_refused() -> None:
    class Fixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = module().model

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.inner(image.view(1, 1, 8, 8))  # type: ignore[no-any-return]

    with pytest.raises(EdgeshipError, match="does not take a batch of 64"):
        Finetune(epochs=1).apply(flatten(Fixed(), 1), context(teacher=lambda: flatten(Fixed(), 1)))
