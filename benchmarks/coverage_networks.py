"""The networks of the coverage sweep: named before it was first run, small enough to be converted in seconds.

From torchvision, timm and transformers (by configuration, random weights) and written by hand. Every one is alive:
batch norm is warmed up, gains of 0 and layer scales are opened, layers have the gain of trained ones.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

sys.path.append(str(Path(__file__).parent))

import coverage_handmade as own  # recipes load this file by its path
from images import structured

CALIBRATION, EVALUATION = 24, 8
WARM_UP = 24
OPENED = 0.5
"""What gains of 0 and layer scales become."""


@dataclass(frozen=True)
class Network:
    """A factory, and inputs as the command line names them: NAME:SHAPE[:DTYPE[LOW-HIGH]]."""

    make: Callable[[], nn.Module]
    inputs: tuple[str, ...] = ("image:1x3x64x64",)
    sizes: dict[str, int] = field(default_factory=dict)
    """Of dynamic dimensions in the data."""
    state: dict[str, str] = field(default_factory=dict)
    keywords: tuple[str, ...] = ()
    """Inputs that forward() takes by their names."""


TOKENS = ("input_ids:1x16:int64[1-199]", "attention_mask:1x16:int64[0-1]")
SEQUENCE = ("sequence:1x12x12",)


def _vision(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import torchvision

        return torchvision.models.get_model(name, weights=None, num_classes=10, **options)

    return make


def _timm(name: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import timm

        return timm.create_model(name, pretrained=False, num_classes=10, **options)

    return make


def _hugging(config: str, model: str, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        import transformers

        return getattr(transformers, model)(getattr(transformers, config)(**options))

    return make


def _class(name: str, package: str, *positional: Any, **options: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        from importlib import import_module

        return getattr(import_module(package), name)(*positional, **options)

    return make


def _tiny_resnet() -> nn.Module:
    from torchvision.models.resnet import BasicBlock, ResNet

    return ResNet(BasicBlock, [1, 1, 1, 1], num_classes=10)


def _poolformer() -> nn.Module:
    from timm.models.metaformer import GroupNorm1, MetaFormer, Pooling

    return MetaFormer(
        depths=(1, 1, 1, 1), dims=(16, 24, 32, 48), token_mixers=Pooling, norm_layers=GroupNorm1, downsample_norm=None,
        layer_scale_init_values=1e-5, res_scale_init_values=None, use_mlp_head=False, num_classes=10,
    )  # fmt: skip


def _whisper() -> nn.Module:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    return WhisperEncoder(
        WhisperConfig(num_mel_bins=20, d_model=32, encoder_layers=2, encoder_attention_heads=2, encoder_ffn_dim=64,
                      max_source_positions=32)
    )  # fmt: skip


def _recurrent(kind: str, bidirectional: bool = False) -> Callable[[], nn.Module]:
    return lambda: own.Recurrent(kind, bidirectional)


SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 200,
}
NETWORKS: dict[str, Network] = {
    # torchvision
    "mobilenet_v2": Network(_vision("mobilenet_v2", width_mult=0.35)),
    "mobilenet_v3_small": Network(_vision("mobilenet_v3_small")),
    "resnet": Network(_tiny_resnet),
    "shufflenet": Network(_vision("shufflenet_v2_x0_5")),
    "squeezenet": Network(_vision("squeezenet1_1")),
    "densenet": Network(_class("DenseNet", "torchvision.models", 8, (2, 2, 2), 16, num_classes=10)),
    "swin": Network(
        _class(
            "SwinTransformer",
            "torchvision.models",
            [4, 4],
            24,
            [2, 2],
            [2, 4],
            [4, 4],
            stochastic_depth_prob=0.0,
            num_classes=10,
        )
    ),
    "vit": Network(_class("VisionTransformer", "torchvision.models", 64, 16, 2, 2, 48, 96, num_classes=10)),
    # timm
    "convnext": Network(_timm("convnext_atto", depths=(1, 1, 1, 1), dims=(16, 24, 32, 48))),
    "poolformer": Network(_poolformer),
    "mobilenetv4": Network(_timm("mobilenetv4_conv_small_050")),
    "repvgg": Network(_timm("repvgg_a0")),
    "ghostnet": Network(_timm("ghostnet_050")),
    "efficientnet": Network(_timm("efficientnet_lite0")),
    "tf_efficientnet": Network(_timm("tf_efficientnet_b0")),
    "mobilevit": Network(_timm("mobilevit_xxs")),
    "mixer": Network(_class("MlpMixer", "timm.models.mlp_mixer", 10, 64, patch_size=16, num_blocks=2, embed_dim=48)),
    "eca_resnet": Network(_timm("ecaresnet26t", layers=(1, 1, 1, 1))),
    "efficientvit": Network(_timm("efficientvit_b0")),
    "pit": Network(_timm("pit_ti_224", img_size=64, depth=(1, 1, 1))),
    # transformers
    "bert": Network(_hugging("BertConfig", "BertModel", **SMALL), TOKENS),
    "distilbert": Network(
        _hugging(
            "DistilBertConfig",
            "DistilBertForSequenceClassification",
            dim=32,
            n_layers=2,
            n_heads=2,
            hidden_dim=64,
            vocab_size=200,
        ),
        TOKENS,
    ),
    "albert": Network(_hugging("AlbertConfig", "AlbertModel", embedding_size=16, **SMALL), TOKENS),
    "roberta": Network(_hugging("RobertaConfig", "RobertaForTokenClassification", **SMALL), TOKENS),
    "t5_encoder": Network(
        _hugging("T5Config", "T5EncoderModel", d_model=32, d_kv=16, d_ff=64, num_layers=2, num_heads=2, vocab_size=200),
        TOKENS,
    ),
    "gpt2": Network(
        _hugging(
            "GPT2Config",
            "GPT2LMHeadModel",
            n_embd=32,
            n_layer=2,
            n_head=2,
            vocab_size=200,
            n_positions=32,
            use_cache=False,
        ),
        TOKENS[:1],
    ),
    "llama": Network(
        _hugging("LlamaConfig", "LlamaForCausalLM", num_key_value_heads=1, use_cache=False, **SMALL), TOKENS[:1]
    ),
    "segformer": Network(
        _hugging(
            "SegformerConfig",
            "SegformerForSemanticSegmentation",
            depths=[1, 1, 1, 1],
            hidden_sizes=[16, 24, 32, 48],
            num_attention_heads=[1, 1, 2, 2],
            decoder_hidden_size=32,
            num_labels=4,
        ),
        ("pixel_values:1x3x64x64",),
    ),
    "whisper_encoder": Network(_whisper, ("input_features:1x20x64",)),
    "wav2vec2": Network(
        _hugging(
            "Wav2Vec2Config",
            "Wav2Vec2Model",
            conv_dim=[16, 24],
            conv_stride=[5, 4],
            conv_kernel=[10, 5],
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
            **SMALL,
        ),
        ("audio:1x800",),
    ),
    "clip_text": Network(
        _hugging(
            "CLIPTextConfig",
            "CLIPTextModelWithProjection",
            max_position_embeddings=24,
            projection_dim=16,
            eos_token_id=199,
            **SMALL,
        ),
        TOKENS,
    ),
    # written by hand
    "unet": Network(own.UNet),
    "super_resolution": Network(own.SuperResolution, ("image:1x3x32x32",)),
    "two_inputs": Network(own.TwoInputs, ("image:1x3x64x64", "pose:1x6"), keywords=("pose",)),
    "siamese": Network(own.Siamese, ("image:1x3x64x64", "image_b:1x3x64x64")),
    "shared_block": Network(own.SharedBlock),
    "multi_task": Network(own.MultiTask),
    "channels_last": Network(own.ChannelsLast, ("picture:1x64x64x3:float32[0-255]",)),
    "bag_of_tokens": Network(own.BagOfTokens, ("ids:1x16:int64[0-399]", "mask:1x16:int64[0-1]")),
    "streaming": Network(
        own.Streaming,
        ("frame:1x16x1", "past:1x16x2", "hidden:1x32"),
        state={"next_past": "past", "next_hidden": "hidden"},
    ),
    "gru": Network(_recurrent("gru"), SEQUENCE),
    "lstm": Network(_recurrent("lstm", bidirectional=True), SEQUENCE),
    "keywords": Network(own.Keywords, ("signal:1x8xtime[16-64]",), {"time": 24}),
    "large_ranges": Network(own.LargeRanges, ("vector:1x32",)),
    "volume": Network(own.Volume, ("volume:1x1x12x12x12",)),
    "involution": Network(own.Involution),
    "log_mel": Network(own.LogMel, ("audio:1x1024",)),
    "pools": Network(own.Pools),
    "einsum": Network(own.Einsum, ("sequence:1x12x32",)),
    "cumulative": Network(own.Cumulative, SEQUENCE),
    "spatial_transformer": Network(own.Transformer2d),
    "deformable": Network(own.Deformable),
    "activations": Network(own.Activations),
    "experts": Network(own.Experts, ("vector:1x16",)),
    "table": Network(own.Table, ("numbers:batch[1-8]x5", "categories:batch[1-8]x3:int64[0-6]"), {"batch": 1}),
    "key_points": Network(own.KeyPoints),
}


def build(name: str) -> nn.Module:
    """A network by its name, alive and in eval mode; always the same."""
    torch.manual_seed(0)
    network = NETWORKS[name].make()
    _open(network)
    _warm(network.eval(), name)
    return network.eval()


def _open(network: nn.Module) -> None:
    """Open what is closed before training, and give layers the gain that training gives them."""
    with torch.no_grad():
        for path, parameter in network.named_parameters():
            last = path.rpartition(".")[2]
            scale = last in ("gamma", "weight", "scale", "layer_scale", "lambda1") and parameter.dim() <= 3
            if scale and parameter.abs().max() < 0.01:
                parameter.fill_(OPENED)
        for layer in network.modules():
            if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d):
                trained = layer.weight[0].numel() ** -0.5
                if layer.weight.std() < trained / 2:
                    nn.init.normal_(layer.weight, std=trained)


def _warm(network: nn.Module, name: str) -> None:
    """Batch norm sees 24 inputs four times over, in batches of six with momentum 0.5."""
    norms = [layer for layer in network.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    given, keywords = samples(name, WARM_UP, seed=1), NETWORKS[name].keywords
    for norm in norms:
        norm.train()
        norm.momentum = 0.5
    with torch.no_grad():
        for rows in np.split(np.arange(WARM_UP), 4) * 4:
            batch = {key: torch.from_numpy(np.concatenate(array[rows])) for key, array in given.items()}
            named = {key: batch.pop(key) for key in keywords}
            network(*batch.values(), **named)


def calibration(name: str) -> dict[str, Any]:
    """Inputs by name [24, *shape]."""
    return samples(name, CALIBRATION, seed=2)


def evaluation(name: str) -> dict[str, Any]:
    """Other inputs by name [8, *shape]."""
    return samples(name, EVALUATION, seed=3)


def samples(name: str, count: int, seed: int) -> dict[str, Any]:
    """Inputs by name [count, *shape]: structured images, masks that end somewhere, smooth signals, random tokens."""
    from edgeship.toolchain.recipe.arguments import input_tables

    network = NETWORKS[name]
    tables, _ = input_tables(network.inputs)
    rng = np.random.default_rng(seed)
    made = {}
    for table in tables:
        shape = tuple(network.sizes.get(size, size) for size in table["shape"])
        made[table["name"]] = _values(table, (count, *shape), rng, seed)
        seed += 10
    return made


def _values(table: dict[str, Any], shape: tuple[int, ...], rng: np.random.Generator, seed: int) -> Any:
    low, high = table.get("low"), table.get("high")
    if table["name"].endswith("mask"):
        ends = rng.integers(shape[-1] // 2, shape[-1] + 1, shape[:-1])
        return (np.arange(shape[-1]) < ends[..., None]).astype(table["dtype"])
    if table["dtype"] != "float32":
        return rng.integers(low, high + 1, shape).astype(table["dtype"])
    if len(shape) == 5 and 3 in (shape[2], shape[4]):
        images = structured(shape[0], max(shape[2:]), seed)
        images = images if shape[2] == 3 else np.ascontiguousarray(images.transpose(0, 1, 3, 4, 2))
        return images if high is None else np.clip(images * high / 4 + high / 2, 0, high).astype(np.float32)
    waves = rng.standard_normal(shape)
    if shape[-1] > 2:  # neighbours resemble each other, samples differ in size
        waves = np.cumsum(waves, -1) / np.sqrt(np.arange(1, shape[-1] + 1))
    return (waves * rng.uniform(0.5, 1.5, (shape[0], *[1] * (len(shape) - 1)))).astype(np.float32)
