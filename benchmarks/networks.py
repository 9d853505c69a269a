"""The networks that int8 files are compared on, beside the six of recipes/: what people use, none tuned for.

The list was committed before the first of them was measured. Each is *alive*: batch norm warmed up on 24 inputs with
momentum 0.5, branches that initialization switches off (last gamma 0, layer scale 1e-6) set to 0.3 to 0.7, outputs of
mean 0 and deviation 1. A recipe takes one by its name: `factory = "networks.py:alive", arguments = { name = "unet" }`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.append(str(Path(__file__).parent))

import handwritten
import signals
from images import structured

Inputs = Callable[[int, int], Any]
"""(count, seed) → inputs [count, *shape]"""
WARM_UP, BATCH, MOMENTUM = 24, 8, 0.5


@dataclass(frozen=True)
class Network:
    """How one network is made, what it takes, and what it stands for."""

    make: Callable[[], nn.Module]
    inputs: Inputs
    covers: str
    outputs: tuple[str, ...] = ("logits",)
    dtype: str = "float32"


def _timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import timm

        return timm.create_model(name, pretrained=False, **options)

    return make


def _torchvision(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import torchvision

        return torchvision.models.get_model(name, weights=None, **options)

    return make


def _densenet() -> nn.Module:
    from torchvision.models import DenseNet

    return DenseNet(growth_rate=12, block_config=(4, 4, 4), num_init_features=24, num_classes=100)


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        from transformers import BertConfig, BertModel

        config = BertConfig(vocab_size=2000, hidden_size=128, num_hidden_layers=3, num_attention_heads=4,
                            intermediate_size=512, max_position_embeddings=64)  # fmt: skip
        self.body = BertModel(config, add_pooling_layer=False)
        self.head = nn.Linear(128, 16)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(ids).last_hidden_state.mean(1))


def _lraspp() -> nn.Module:
    return handwritten.only("out", _torchvision("lraspp_mobilenet_v3_large", weights_backbone=None, num_classes=4)())


def _image(size: int) -> Inputs:
    def photos(count: int, seed: int) -> Any:
        # as photos do, they differ in brightness, colour and contrast, too
        rng = np.random.default_rng(seed)
        light = rng.normal(0, 0.6, (count, 1, 3, 1, 1)), rng.uniform(0.4, 1.4, (count, 1, 1, 1, 1))
        return (structured(count, size, seed) * light[1] + light[0]).astype(np.float32)

    return photos


def _audio(length: int) -> Inputs:
    return lambda count, seed: signals.waves(count, length, seed)


def _bands(frames: int, number: int) -> Inputs:
    return lambda count, seed: signals.bands(count, frames, number, seed)


def _cepstra(count: int, seed: int) -> Any:
    return signals.bands(count, 49, 10, seed)[:, :, None]


def _channels_first(count: int, seed: int) -> Any:
    return np.ascontiguousarray(signals.bands(count, 50, 10, seed).transpose(0, 1, 3, 2))


NETWORKS: dict[str, Network] = {
    "efficientnet_b0": Network(_timm("efficientnet_b0"), _image(128), "SiLU, squeeze-and-excite"),
    "detector": Network(
        handwritten.Detector, _image(128), "SiLU, concatenation, pyramid pooling, detection head", ("boxes", "scores")
    ),
    "mobilenetv3_small": Network(_timm("mobilenetv3_small_050"), _image(96), "hard-swish at small resolution"),
    "convnext_atto": Network(_timm("convnext_atto"), _image(128), "GELU, layer norm, layer scale, 7×7 depthwise"),
    "regnetx_002": Network(_timm("regnetx_002"), _image(128), "grouped convolution"),
    "shufflenet_v2": Network(_torchvision("shufflenet_v2_x0_5"), _image(128), "channel shuffle and split"),
    "unet_transposed": Network(lambda: handwritten.UNet(True), _image(96), "transposed convolution", ("mask",)),
    "unet_bilinear": Network(lambda: handwritten.UNet(False), _image(96), "bilinear resize", ("mask",)),
    "lraspp": Network(_lraspp, _image(96), "segmentation head, hard-swish", ("mask",)),
    "mixnet_s": Network(_timm("mixnet_s"), _image(128), "3×3 to 11×11 depthwise, mixed"),
    "efficientnet_lite0": Network(_timm("efficientnet_lite0"), _image(128), "5×5 depthwise, ReLU6"),
    "repvgg_a0": Network(_timm("repvgg_a0"), _image(96), "re-parametrized blocks, batch norm alone"),
    "mobileone_s0": Network(_timm("mobileone_s0"), _image(96), "re-parametrized depthwise blocks that sum branches"),
    "densenet": Network(_densenet, _image(64), "blocks that concatenate, batch norm before ReLU"),
    "squeezenet": Network(_torchvision("squeezenet1_1"), _image(128), "concatenation, no batch norm"),
    "ghostnet": Network(_timm("ghostnet_050"), _image(96), "cheap depthwise branches, concatenation"),
    "keyword": Network(handwritten.KeywordSpotter, _cepstra, "keyword spotting, rectangular kernels"),
    "dilated_gates": Network(handwritten.Dilated, _audio(2000), "dilated 1-D convolution, gates", ("wave",)),
    "wave_classifier": Network(handwritten.WaveClassifier, _audio(4000), "1-D convolution over sound"),
    "temporal": Network(
        handwritten.TemporalStack,
        _channels_first,
        "10 kB of small dilated 1-D convolutions",
    ),
    "gru": Network(
        lambda: handwritten.Recurrent("GRU"), _bands(16, 40), "GRU"
    ),
    "lstm": Network(
        lambda: handwritten.Recurrent("LSTM"), _bands(16, 40), "LSTM"
    ),
    "vit": Network(_timm("deit_tiny_patch16_224", depth=4, img_size=128), _image(128), "attention, GELU, layer norm"),
    "mobilevit_xxs": Network(_timm("mobilevit_xxs"), _image(128), "attention within convolutions, SiLU"),
    "text_encoder": Network(
        _Encoder, lambda count, seed: signals.tokens(count, 32, 2000, seed), "attention over tokens", dtype="int64"
    ),
    "single_shot": Network(
        handwritten.SingleShot, _image(96), "detection heads, permuted and concatenated", ("scores", "boxes")
    ),
    "volume": Network(
        handwritten.Volume, lambda count, seed: signals.frames(count, 8, 32, seed), "3-D convolution"
    ),
}  # fmt: skip


def alive(name: str) -> nn.Module:
    """A network of the list in eval mode; always the same."""
    torch.manual_seed(0)
    network = NETWORKS[name]
    net = network.make()
    inputs = torch.from_numpy(network.inputs(WARM_UP, 1)[:, 0])
    switch_on(net)
    warm_up(net, inputs)
    scale_outputs(net, inputs[:BATCH])
    return net.eval()


def switch_on(net: nn.Module) -> None:
    """Give norms and layer scales the values of a trained network: none of them 0, 1e-6 or 1."""
    seeded = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)) and module.affine:
                module.weight.uniform_(0.7, 1.1, generator=seeded)
                # half-way open: norms that only centre and scale make an untrained network chaotic
                module.bias.uniform_(0.0, 0.6, generator=seeded)
        for key, value in net.named_parameters():
            if float(value.abs().max()) < 1e-3 and key.rpartition(".")[2] in ("gamma", "lambda_1", "layer_scale"):
                value.uniform_(0.3, 0.7, generator=seeded)


def warm_up(net: nn.Module, inputs: torch.Tensor) -> None:
    """Let batch norm see the inputs [n, *shape], in train mode but without dropout."""
    norms = [m for m in net.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    net.eval()
    for norm in norms:
        norm.momentum = MOMENTUM
        norm.train()
    with torch.no_grad():
        for batch in inputs.split(BATCH) if norms else ():
            net(batch)


def scale_outputs(net: nn.Module, inputs: torch.Tensor) -> None:
    """Give a single output mean 0 and deviation 1 over the inputs by its last layer, as training would.

    An answer that is large and hardly depends on the input would make any SQNR look good.
    """
    net.eval()
    with torch.no_grad():
        answer = net(inputs)
        if not isinstance(answer, torch.Tensor):
            return
        head = [m for m in net.modules() if isinstance(m, (nn.Linear, nn.Conv1d, nn.Conv2d))][-1]
        axis = answer.dim() - 1 if isinstance(head, nn.Linear) else 1

        def centre() -> None:
            if head.bias is not None:
                head.bias.sub_(net(inputs).movedim(axis, -1).flatten(0, -2).mean(0))

        centre()
        deviation = float(net(inputs).std())
        if not 1e-6 < deviation < float("inf"):
            raise ValueError("its answers are constant")
        for parameter in head.parameters():
            parameter.mul_(1 / deviation)
        centre()  # where other layers add to the answer, too


def calibration(name: str) -> Any:
    """32 inputs for ranges."""
    return NETWORKS[name].inputs(32, 2)


def evaluation(name: str) -> Any:
    """16 other inputs to compare on."""
    return NETWORKS[name].inputs(16, 3)


def tables(name: str) -> dict[str, Any]:
    """The recipe of a network, as a TOML file would give it; paths are from this folder."""
    network = NETWORKS[name]
    one = network.inputs(1, 0)[0]
    data = {"source": "python", "arguments": {"name": name}}
    return {
        "name": name,
        "model": {
            "factory": "./networks.py:alive",
            "arguments": {"name": name},
            "inputs": [{"name": "x", "shape": list(one.shape), "dtype": network.dtype}],
            "outputs": list(network.outputs),
        },
        "calibration": {**data, "function": "./networks.py:calibration"},
        "evaluation": {**data, "function": "./networks.py:evaluation"},
        "verify": {"samples": 4},
        "build": {"timeout_s": 600},
    }
