"""Small networks written by hand, each with something that exporters and converters trip over."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    layer = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


def stem(width: int = 16) -> nn.Sequential:
    """[1, 3, 64, 64] → [1, width, 16, 16]."""
    return nn.Sequential(conv(3, width, 3, 2), conv(width, width, 3, 2))


def classifier(body: nn.Module, width: int, classes: int = 10) -> nn.Sequential:
    """Average pool and a linear layer behind a body."""
    return nn.Sequential(body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


class UNet(nn.Module):
    """Skips, a transposed convolution, an upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.three = conv(3, 12), conv(12, 24, 3, 2), conv(24, 32, 3, 2)
        self.up = nn.ConvTranspose2d(32, 24, 2, 2)
        self.four, self.five = conv(48, 24), conv(36, 12)
        self.head = nn.Conv2d(12, 2, 1)

    def forward(self, image: Tensor) -> Tensor:
        one = self.one(image)
        two = self.two(one)
        x = self.four(torch.cat([self.up(self.three(two)), two], 1))
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(self.five(torch.cat([x, one], 1)))


class SuperResolution(nn.Module):
    """Pixel shuffle over a nearest-neighbour upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 24, 5, padding=2), nn.PReLU(24), nn.Conv2d(24, 24, 3, padding=1), nn.PReLU(24)
        )
        self.head = nn.Conv2d(24, 12, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        return F.pixel_shuffle(self.head(self.body(image)), 2) + F.interpolate(image, scale_factor=2.0)


class TwoInputs(nn.Module):
    """An image and a vector, fused late."""

    def __init__(self) -> None:
        super().__init__()
        self.see = nn.Sequential(stem(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
        self.feel = nn.Sequential(nn.Linear(6, 32), nn.ReLU())
        self.head = nn.Linear(96, 5)

    def forward(self, image: Tensor, pose: Tensor) -> Tensor:
        return self.head(torch.cat([self.see(image), self.feel(pose)], dim=-1))


class Siamese(nn.Module):
    """One module called twice, compared by two distances; a dictionary comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.see = classifier(nn.Sequential(stem(), conv(16, 32)), 32, 24)

    def forward(self, image: Tensor, image_b: Tensor) -> dict[str, Tensor]:
        a, b = self.see(image), self.see(image_b)
        return {
            "similarity": torch.exp(-8 * (a - b).pow(2).mean(-1)),
            "difference": (a - b).abs().sum(-1, keepdim=True),
        }


class SharedBlock(nn.Module):
    """One residual block applied three times."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = stem(), nn.Sequential(conv(16, 16), nn.Conv2d(16, 16, 3, padding=1))
        self.head = nn.Linear(16, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        for _ in range(3):
            x = F.relu(x + 0.5 * self.block(x))
        return self.head(x.mean((2, 3)))


class MultiTask(nn.Module):
    """Boxes, scores and embeddings by name, the feature map of two scales."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.down = stem(), conv(16, 32, 3, 2)
        self.lateral, self.merge = nn.Conv2d(32, 16, 1), conv(16, 16)
        self.boxes, self.scores, self.embed = nn.Conv2d(16, 8, 1), nn.Conv2d(16, 6, 1), nn.Linear(32, 16)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        fine = self.stem(image)
        coarse = self.down(fine)
        fine = self.merge(fine + F.interpolate(self.lateral(coarse), size=fine.shape[-2:], mode="nearest"))
        boxes = self.boxes(fine).permute(0, 2, 3, 1).reshape(image.shape[0], -1, 4)
        scores = self.scores(fine).flatten(2).transpose(1, 2).softmax(-1)
        embedding = F.normalize(self.embed(coarse.amax((2, 3))), dim=-1)
        return {"boxes": boxes.sigmoid() * 64, "scores": scores, "embedding": embedding}


class ChannelsLast(nn.Module):
    """Images as cameras give them, bytes scaled inside."""

    def __init__(self) -> None:
        super().__init__()
        self.net = classifier(nn.Sequential(stem(), conv(16, 32, 3, 2)), 32)

    def forward(self, picture: Tensor) -> Tensor:
        x = picture.permute(0, 3, 1, 2) / 255.0
        return (8 * self.net((x - 0.45) / 0.225)).log_softmax(-1)


class BagOfTokens(nn.Module):
    """Embeddings under a mask, pooled."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.hidden, self.head = nn.Embedding(400, 64), nn.Linear(64, 64), nn.Linear(64, 6)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        weights = mask.unsqueeze(-1).float()
        pooled = (self.embed(ids) * weights).sum(1) / weights.sum(1).clamp(min=1)
        return self.head(F.gelu(self.hidden(pooled)))


class Streaming(nn.Module):
    """A causal convolution and a GRU cell whose states go in and come out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.cell, self.head = nn.Conv1d(16, 32, 3), nn.GRUCell(32, 32), nn.Linear(32, 4)

    def forward(self, frame: Tensor, past: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        window = torch.cat([past, frame], dim=2)
        hidden = self.cell(F.relu(self.conv(window))[:, :, 0], hidden)
        return {"score": self.head(hidden).sigmoid(), "next_past": window[:, :, 1:], "next_hidden": hidden}


class Recurrent(nn.Module):
    """A recurrent layer over a sequence, its last state to a linear layer."""

    def __init__(self, kind: str, bidirectional: bool = False, layers: int = 1) -> None:
        super().__init__()
        made = {"gru": nn.GRU, "lstm": nn.LSTM}[kind]
        self.recur = made(12, 24, num_layers=layers, batch_first=True, bidirectional=bidirectional)
        self.head = nn.Linear(48 if bidirectional else 24, 5)

    def forward(self, sequence: Tensor) -> Tensor:
        return self.head(self.recur(sequence)[0][:, -1])


class Keywords(nn.Module):
    """Dilated causal 1-D convolutions over a signal of any length, pooled by attention."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Conv1d(8 if i == 0 else 24, 24, 3, dilation=2**i) for i in range(4))
        self.weigh, self.head = nn.Conv1d(24, 1, 1), nn.Linear(24, 6)

    def forward(self, signal: Tensor) -> Tensor:
        x = signal
        for i, layer in enumerate(self.layers):
            y = F.relu(layer(F.pad(x, (2 * 2**i, 0))))
            x = y if i == 0 else x + y
        return self.head((x * self.weigh(x).softmax(-1)).sum(-1))


class LargeRanges(nn.Module):
    """A hand-written norm whose squares and sums leave float16 (65504), and a tiny one that leaves it below."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Linear(32, 64), nn.Linear(64, 64), nn.Linear(64, 5)

    def forward(self, vector: Tensor) -> Tensor:
        x = self.one(vector) * 300.0
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        y = self.two(x) * 1e-4
        y = y / (y.pow(2).sum(-1, keepdim=True).sqrt() + 1e-7)
        return self.head(F.gelu(y * 8))


class Volume(nn.Module):
    """3-D convolutions and pools."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv3d(1, 12, 3, padding=1), nn.BatchNorm3d(12)
        self.two, self.head = nn.Conv3d(12, 24, 3, stride=2, padding=1), nn.Linear(24, 4)

    def forward(self, volume: Tensor) -> Tensor:
        x = F.max_pool3d(F.relu(self.norm(self.one(volume))), 2)
        return self.head(F.relu(self.two(x)).mean((2, 3, 4)))


class Involution(nn.Module):
    """Kernels that depend on the place, over unfolded patches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.kernel, self.head = stem(), nn.Conv2d(16, 9 * 4, 1), nn.Linear(16, 10)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        patches = F.unfold(x, 3, padding=1).view(x.shape[0], 4, 4, 9, *x.shape[2:])
        kernel = self.kernel(x).view(x.shape[0], 4, 1, 9, *x.shape[2:]).softmax(3)
        return self.head((patches * kernel).sum(3).flatten(1, 2).mean((2, 3)))


class LogMel(nn.Module):
    """A complex short-time Fourier transform, mel bands and their logarithm before a convolution."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.register_buffer("window", torch.hann_window(128))
        self.register_buffer("bands", torch.rand(16, 65, generator=generator) / 20)
        self.body, self.head = nn.Conv1d(16, 24, 3, padding=1), nn.Linear(24, 6)

    def forward(self, audio: Tensor) -> Tensor:
        spectrum = torch.stft(audio, 128, 64, window=self.window, center=True, return_complex=True)
        mel = torch.log(self.bands @ spectrum.abs().pow(2) + 1e-3)
        return self.head(F.relu(self.body(mel)).mean(-1))


class Pools(nn.Module):
    """Average pools that do not count their padding, pools with ceil_mode, an adaptive one that does not divide."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.mix, self.head = stem(), conv(16, 24), nn.Linear(24 * 9, 8)
        self.pool = nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        self.ceil, self.most = nn.AvgPool2d(3, 2, ceil_mode=True), nn.MaxPool2d(3, 2, ceil_mode=True)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        x = self.mix(x + self.pool(x) - x.mean((2, 3), keepdim=True))
        return self.head(F.adaptive_avg_pool2d(self.ceil(x) + self.most(x), 3).flatten(1))


class Einsum(nn.Module):
    """Attention written with einsum, relative positions, a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out, self.head = nn.Linear(32, 96), nn.Linear(32, 32), nn.Linear(32, 6)
        self.positions = nn.Parameter(torch.randn(2, 12, 12, generator=torch.Generator().manual_seed(2)))
        self.register_buffer("mask", torch.ones(12, 12).tril() > 0)

    def forward(self, sequence: Tensor) -> Tensor:
        q, k, v = self.qkv(sequence).view(-1, 12, 3, 2, 16).unbind(2)
        weights = torch.einsum("bihd,bjhd->bhij", q, k) / 4 + self.positions
        weights = weights.masked_fill(~self.mask, float("-inf")).softmax(-1)
        x = torch.einsum("bhij,bjhd->bihd", weights, v).reshape(-1, 12, 32)
        return self.head(sequence + self.out(x))


class Cumulative(nn.Module):
    """Cumulative sums, differences, flips, rolls and where over a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.take, self.head = nn.Linear(12, 24), nn.Linear(24, 4)

    def forward(self, sequence: Tensor) -> Tensor:
        x = torch.tanh(self.take(sequence))
        steps = x.new_ones(x.shape[1]).cumsum(0).view(1, -1, 1)
        x = x.cumsum(1) / steps + torch.diff(x, dim=1, prepend=x[:, :1]) + x.flip(1) + x.roll(1, 1)
        return self.head(torch.where(x > 0, x, 0.1 * x))


class Transformer2d(nn.Module):
    """A spatial transformer: an affine grid and grid_sample."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.Sequential(stem(), nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(256, 6))
        self.net = classifier(stem(), 16)

    def forward(self, image: Tensor) -> Tensor:
        base = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        theta = base + 0.1 * torch.tanh(self.look(image)).view(-1, 2, 3)
        grid = F.affine_grid(theta, list(image.shape), align_corners=False)
        return self.net(F.grid_sample(image, grid, align_corners=False))


class Deformable(nn.Module):
    """A deformable convolution of torchvision."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.ops import DeformConv2d

        self.stem, self.offset = stem(), nn.Conv2d(16, 18, 3, padding=1)
        self.deform, self.head = DeformConv2d(16, 24, 3, padding=1), nn.Linear(24, 8)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        return self.head(F.relu(self.deform(x, 0.5 * self.offset(x))).mean((2, 3)))


class Activations(nn.Module):
    """Many activation functions, group and instance norm."""

    def __init__(self) -> None:
        super().__init__()
        kinds = [
            nn.SiLU(),
            nn.Mish(),
            nn.ELU(),
            nn.LeakyReLU(0.1),
            nn.Softplus(),
            nn.Hardswish(),
            nn.GELU("tanh"),
            nn.Hardtanh(-2, 2),
        ]
        self.stem, self.acts = stem(), nn.ModuleList(kinds)
        self.layers = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1, groups=4) for _ in kinds)
        self.group, self.instance, self.head = (
            nn.GroupNorm(4, 16),
            nn.InstanceNorm2d(16, affine=True),
            nn.Linear(16, 10),
        )

    def forward(self, image: Tensor) -> Tensor:
        x = self.stem(image)
        for i, (layer, act) in enumerate(zip(self.layers, self.acts, strict=True)):
            x = act(layer(self.group(x) if i % 2 else self.instance(x)))
        return self.head(x.mean((2, 3)))


class Experts(nn.Module):
    """Experts chosen by a gate: topk, gather, one-hot weights."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(16, 4)
        self.weight = nn.Parameter(torch.randn(4, 16, 16, generator=torch.Generator().manual_seed(3)) / 4)
        self.head = nn.Linear(16, 5)

    def forward(self, vector: Tensor) -> Tensor:
        share = self.gate(vector).softmax(-1)
        best, index = share.topk(2, dim=-1)
        mixed = torch.stack([vector @ weight for weight in self.weight.unbind(0)], 1).relu()
        taken = mixed.gather(1, index[..., None].expand(-1, -1, 16))
        return self.head((taken * best[..., None]).sum(1))


class Table(nn.Module):
    """Categories and numbers of a table, batch norm, any batch size."""

    def __init__(self) -> None:
        super().__init__()
        self.embeds = nn.ModuleList(nn.Embedding(size, 8) for size in (12, 7, 30))
        self.norm, self.body = nn.BatchNorm1d(5), nn.Sequential(nn.Linear(29, 48), nn.BatchNorm1d(48), nn.ReLU())
        self.head = nn.Linear(48, 3)

    def forward(self, numbers: Tensor, categories: Tensor) -> Tensor:
        parts = [embed(categories[:, i]) for i, embed in enumerate(self.embeds)]
        return self.head(self.body(torch.cat([self.norm(numbers), *parts], 1))).softmax(-1)


class KeyPoints(nn.Module):
    """Heat maps whose soft maximum tells coordinates, and the hard one a class."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.maps = stem(), nn.Conv2d(16, 5, 1)
        line = torch.linspace(-1, 1, 16)
        self.register_buffer("places", torch.stack(torch.meshgrid(line, line, indexing="ij"), -1).view(256, 2))

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.maps(self.stem(image)).flatten(2)
        return (maps * 4).softmax(-1) @ self.places, maps.amax(-1)
