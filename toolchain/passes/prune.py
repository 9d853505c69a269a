"""Structured pruning: whole channels go, so that every runtime gets a smaller, ordinary network."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from edgeship.toolchain.api import Context, DataError, EdgeshipError, ModulePass, Need, RecipeError, missing_extra
from edgeship.toolchain.passes.training import stack

if TYPE_CHECKING:
    from torch import nn

HISTORY = "history.json"
STEPS = 100  # the network shrinks in steps this fine, so that the ratio is met closely


class PruneStructured(ModulePass):
    """Removes the least important channels until the share of multiplications asked for is gone."""

    packages: ClassVar[tuple[str, ...]] = ("torch-pruning",)
    extra: ClassVar[str] = "prune"
    needs: ClassVar[frozenset[Need]] = frozenset({"training"})  # whoever prunes also trains afterwards

    ratio: float = Field(0.5, gt=0, lt=1, description="share of multiply-accumulates (MACs) to remove")
    importance: Literal["taylor", "magnitude"] = Field(
        "taylor", description="taylor: gradient times weight on training samples; magnitude: weights alone"
    )
    scope: Literal["global", "layer"] = Field(
        "global", description="global: channels of all layers compete; layer: the same share of each layer"
    )
    round_to: int = Field(8, ge=1, description="channels left are a multiple of this: kernels want it")
    ignore: tuple[str, ...] = Field((), description="names of modules that keep their channels; outputs always do")
    samples: int = Field(256, ge=1, description="training samples that importance is measured on")

    def apply(self, module: nn.Module, context: Context) -> nn.Module:
        """Prune; warns when little could be. EdgeshipError when the network cannot be traced or does not survive."""
        tp = _torch_pruning()
        before = _macs(module, context)
        parameters = _parameters(module)
        if self.importance == "taylor":
            self._gradients(module, context)
            importance = tp.importance.GroupTaylorImportance()
        else:
            importance = tp.importance.GroupMagnitudeImportance(p=2)
        try:
            pruner = tp.pruner.BasePruner(
                module,
                context.example,
                importance=importance,
                global_pruning=self.scope == "global",
                pruning_ratio=1.0,
                max_pruning_ratio=0.9,  # never a layer's last channels
                iterative_steps=STEPS,
                round_to=self.round_to,
                ignored_layers=[*self._ignored(module), *_output_layers(tp, module, context)],
            )
            for _ in range(STEPS):
                if _macs(module, context) <= (1 - self.ratio) * before:
                    break
                pruner.step()
        except EdgeshipError:
            raise
        except Exception as error:
            raise EdgeshipError(
                f"torch-pruning cannot prune this network: {type(error).__name__}: {error}",
                "name the modules it stumbles over in `ignore`",
            ) from error
        for parameter in module.parameters():
            parameter.grad = None
        module.eval()
        after = _checked(module, context)
        module._pruning_history = pruner.pruning_history()  # what `save` stores beside the weights
        removed = 1 - after / before
        context.progress(
            f"pruned {removed:.0%} of MACs: {before / 1e6:.1f} M → {after / 1e6:.1f} M, "
            f"parameters {parameters:,} → {_parameters(module):,}"
        )
        if removed < 0.5 * self.ratio:
            context.warn(
                f"only {removed:.0%} of MACs could be pruned, {self.ratio:.0%} were asked for: "
                f"channels stay multiples of {self.round_to}"
            )
        return module

    def save(self, module: nn.Module, folder: Path) -> None:
        """Weights, and the history of what was cut: they do not fit the model as its factory builds it."""
        super().save(module, folder)
        (folder / HISTORY).write_text(json.dumps(module._pruning_history))

    def restore(self, module: nn.Module, folder: Path, context: Context) -> nn.Module:
        """Cut the same channels again, then load the weights."""
        tp = _torch_pruning()
        history = json.loads((folder / HISTORY).read_text())
        graph = tp.DependencyGraph().build_dependency(module, context.example)
        graph.load_pruning_history(history)
        module._pruning_history = history
        return super().restore(module, folder, context)

    def _ignored(self, module: nn.Module) -> list[nn.Module]:
        parts = dict(module.named_modules())
        found = []
        for name in self.ignore:
            part = parts.get(f"model.{name}") or parts.get(name)
            if part is None:
                raise RecipeError(f"prune-structured: the model has no module {name!r}", "correct `ignore`")
            found.append(part)
        return found

    def _gradients(self, module: nn.Module, context: Context) -> None:
        """Leave in every parameter the gradient of the loss over some training samples."""
        import torch
        from torch.nn import functional

        samples = context.training
        if samples is None or len(samples) == 0:
            raise DataError("prune-structured has no training samples", "declare [training], or importance='magnitude'")
        rows = np.random.default_rng(0).permutation(len(samples))[: self.samples]
        module.zero_grad()
        for batch in np.array_split(rows, -(-len(rows) // 32)):
            outputs = [value for value in module(*stack(samples, batch)) if value.is_floating_point()]
            labels = samples.labels
            if labels is not None and labels.dtype.kind in "iu" and outputs[0].ndim == 2:
                loss = functional.cross_entropy(outputs[0], torch.from_numpy(labels[batch]).flatten().long())
            else:  # without labels: how much a channel moves the answers
                loss = torch.stack([value.square().mean() for value in outputs]).sum()
            loss.backward()  # type: ignore[no-untyped-call]


def _torch_pruning() -> Any:
    try:
        import torch_pruning
    except ImportError as error:
        raise missing_extra("prune", "torch-pruning") from error
    return torch_pruning


def _output_layers(tp: Any, module: nn.Module, context: Context) -> list[nn.Module]:
    """The layers whose channels are the model's outputs, element-wise operations behind them included."""
    import torch

    graph = tp.DependencyGraph().build_dependency(module, context.example)
    found: list[nn.Module] = []
    for layer in [
        part for part in graph.module2node if isinstance(part, (torch.nn.Linear, torch.nn.modules.conv._ConvNd))
    ]:
        group = graph.get_pruning_group(layer, graph.get_pruner_of_module(layer).prune_out_channels, [0])
        if any(not d.target.outputs and graph.is_out_channel_pruning_fn(d.handler) for d, _ in group):
            found.append(layer)
    return found


def _macs(module: nn.Module, context: Context) -> int:
    """Multiply-accumulates of one call with the example."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(*context.example)
    return int(counter.get_total_flops()) // 2


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _checked(module: nn.Module, context: Context) -> int:
    """MACs of the pruned module, once its outputs are seen to have kept their shapes."""
    import torch

    try:
        with torch.no_grad():
            shapes = [tuple(value.shape) for value in module(*context.example)]
    except Exception as error:
        raise EdgeshipError(
            f"the pruned network no longer runs: {error}", "name its attention or reshaping modules in `ignore`"
        ) from error
    for shape, tensor in zip(shapes, context.signature.outputs, strict=True):
        if any(isinstance(size, int) and size != given for size, given in zip(tensor.shape, shape, strict=True)):
            raise EdgeshipError(
                f"pruning changed output {tensor.name!r} from {list(tensor.shape)} to {list(shape)}",
                "name the layers that make it in `ignore`",
            )
    return _macs(module, context)
