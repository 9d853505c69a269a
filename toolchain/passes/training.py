"""What finetune and qat share: the loop over training samples, distillation from the float model, and resuming."""

from __future__ import annotations

import ctypes
import math
import os
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from edgeship.toolchain.api import (
    Array,
    Context,
    DataError,
    EdgeshipError,
    Need,
    Pass,
    RecipeError,
    Samples,
    first_line,
)

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray
    from torch import nn

CHECKPOINT = "checkpoint.pt"


class Training(Pass):
    """Options of a pass that trains. The student learns the float model's answers, and the labels where asked."""

    needs: ClassVar[frozenset[Need]] = frozenset({"training"})

    epochs: int = Field(3, ge=1, description="passes over the training samples")
    lr: float = Field(1e-3, gt=0, description="peak learning rate of AdamW; it falls to zero along a cosine")
    batch_size: int = Field(64, ge=2, description="samples per step")
    distill: float = Field(
        1.0, ge=0, le=1, description="weight of the float model's answers; the labels have the rest (1: no labels)"
    )
    temperature: float = Field(4.0, gt=0, description="softens the class scores that are compared")
    objective: Literal["classes", "values"] = Field(
        "classes",
        description="classes: outputs are [batch, classes] scores before softmax, compared by KL divergence; "
        "values: any outputs, compared by relative squared error",
    )
    seed: int = Field(0, description="of the order of samples and of dropout")


def train(
    module: nn.Module,
    options: Training,
    context: Context,
    freeze: Callable[[], None] = lambda: None,
    freeze_after: float = 1.0,
) -> None:
    """Train `module` (already in train mode) in place; `freeze` is called once, after this share of the steps.

    Each finished epoch is stored in `context.scratch`: a killed run goes on from there and ends with the same
    weights. Raises DataError where the samples do not do, EdgeshipError when training diverges or cannot run.
    """
    import numpy as np
    import torch

    samples = _usable(options, context)
    teacher = context.teacher() if options.distill and context.teacher else None
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=options.lr, weight_decay=0.0)
    steps = len(samples) // options.batch_size or 1
    total, losses = steps * options.epochs, _resume(module, optimizer, context)
    frozen = False
    with _keeping_memory():
        for epoch in range(len(losses), options.epochs):
            # nothing depends on the epochs before, so that a resumed run draws the same
            torch.manual_seed(options.seed * 100_003 + epoch)
            order = np.random.default_rng([options.seed, epoch]).permutation(len(samples))
            loss_sum = 0.0
            for index in range(steps):
                step = epoch * steps + index
                if not frozen and step >= freeze_after * total:
                    freeze()
                    frozen = True
                for group in optimizer.param_groups:
                    group["lr"] = options.lr * 0.5 * (1 + math.cos(math.pi * step / total))
                rows = order[index * options.batch_size : (index + 1) * options.batch_size]
                inputs, labels = stack(samples, rows), None if samples.labels is None else samples.labels[rows]
                optimizer.zero_grad()
                loss = _loss(module, teacher, inputs, labels, options)
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                loss_sum += float(loss.detach())
                if not math.isfinite(loss_sum):
                    raise EdgeshipError(f"training diverged in epoch {epoch + 1}", "lower `lr`")
                if index % 20 == 0:
                    context.progress(f"epoch {epoch + 1} of {options.epochs}: {index * 100 // steps} %")
            losses.append(loss_sum / steps)
            context.progress(f"epoch {epoch + 1} of {options.epochs}: loss {losses[-1]:.4g}")
            _store(module, optimizer, losses, context)
    if freeze_after < 1 and not frozen:
        freeze()
    if losses[-1] > losses[0]:
        context.warn(f"the loss rose from {losses[0]:.4g} to {losses[-1]:.4g}: try a lower `lr` or more epochs")


def _usable(options: Training, context: Context) -> Samples:
    samples = context.training
    if samples is None or len(samples) < 2:
        raise DataError("there are no training samples", "declare [training] in the recipe")
    if samples.synthetic:
        raise DataError("training on synthetic samples would destroy the model", "declare real [training] data")
    if options.distill < 1 and samples.labels is None:
        raise DataError("the training samples have no labels", "set distill = 1 to learn from the float model alone")
    if options.distill and context.teacher is None:
        raise EdgeshipError("there is no float model to learn from", "set distill = 0 to learn from labels alone")
    return samples


def stack(samples: Samples, rows: Sequence[int] | NDArray[np.integer]) -> tuple[torch.Tensor, ...]:
    """These samples as the inputs of one call: each has a batch dimension of 1 of its own, which is joined."""
    import torch

    return tuple(torch.from_numpy(array) for array in samples.joined(rows).values())


def _loss(
    module: nn.Module,
    teacher: nn.Module | None,
    inputs: tuple[torch.Tensor, ...],
    labels: Array | None,
    options: Training,
) -> torch.Tensor:
    import torch
    from torch.nn import functional

    try:
        answers = [value for value in module(*inputs) if value.is_floating_point()]
    except Exception as error:
        raise EdgeshipError(
            f"the model does not take a batch of {options.batch_size}: {first_line(error)}",
            "training needs a first dimension that may have any size: a model that fixes it cannot be trained here",
        ) from error
    loss = torch.zeros(())
    if teacher is not None:
        with torch.no_grad():
            targets = [value for value in teacher(*inputs) if value.is_floating_point()]
        parts = [_distance(a, b, options) for a, b in zip(answers, targets, strict=True)]
        loss = options.distill * torch.stack(parts).sum()
    if options.distill < 1:
        if options.objective == "classes":
            given = functional.cross_entropy(answers[0], torch.as_tensor(labels).flatten())
        else:
            given = _relative_error(answers[0], torch.as_tensor(labels).reshape(answers[0].shape).to(answers[0].dtype))
        loss = loss + (1 - options.distill) * given
    return loss


def _distance(answer: torch.Tensor, target: torch.Tensor, options: Training) -> torch.Tensor:
    from torch.nn import functional

    if options.objective == "values":
        return _relative_error(answer, target)
    if target.ndim != 2 or target.shape[1] < 2:
        raise RecipeError(
            f"an output of shape {list(target.shape)} is not [batch, classes]", "set objective = 'values'"
        )
    if float(target.min()) >= 0 and float(target.max()) <= 1:
        raise RecipeError(
            "the outputs lie between 0 and 1: probabilities, not scores before softmax", "set objective = 'values'"
        )
    t = options.temperature
    soft = functional.log_softmax(answer / t, 1), functional.log_softmax(target / t, 1)
    # t² keeps the gradients as large as those of the labels (Hinton et al., 2015)
    return functional.kl_div(*soft, reduction="batchmean", log_target=True) * t * t


def _relative_error(answer: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Error energy by signal energy: the inverse of SQNR."""
    return (answer - target).square().mean() / target.square().mean().clamp_min(1e-12)


def _store(module: nn.Module, optimizer: torch.optim.Optimizer, losses: list[float], context: Context) -> None:
    if context.scratch == Path():
        return  # nobody keeps it for us
    import torch

    state = {"module": module.state_dict(), "optimizer": optimizer.state_dict(), "losses": losses}
    unfinished = context.scratch / f"{CHECKPOINT}.{os.getpid()}"
    with unfinished.open("wb") as stream:
        torch.save(state, stream)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(context.scratch / CHECKPOINT)  # whole or not at all, whenever the process is killed


def _resume(module: nn.Module, optimizer: torch.optim.Optimizer, context: Context) -> list[float]:
    """Put back what `_store` wrote; the mean losses of the finished epochs, [] at the start."""
    import torch

    path = context.scratch / CHECKPOINT
    if context.scratch == Path() or not path.exists():
        return []
    try:
        state: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception:
        context.warn(f"{path} is damaged: training starts again")
        return []
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    losses: list[float] = state["losses"]
    context.progress(f"going on after epoch {len(losses)}")
    return losses


@contextmanager
def _keeping_memory() -> Iterator[None]:
    """Let glibc keep freed blocks: giving them back to the kernel at every step makes an epoch up to 13× slower."""
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    trim_threshold, top_pad, mmap_max = -1, -2, -4  # M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX of malloc.h
    for option, value in ((mmap_max, 0), (trim_threshold, 2**31 - 1), (top_pad, 2**29)):
        libc.mallopt(option, value)
    try:
        yield
    finally:
        for option, value in ((mmap_max, 65536), (trim_threshold, 2**17), (top_pad, 0)):  # glibc's defaults
            libc.mallopt(option, value)
        libc.malloc_trim(0)
