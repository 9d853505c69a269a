"""Train the digits net on one CPU core and write digits.safetensors: `python examples/digits/train.py`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import torch
from data import distort, evaluation, train_split
from model import build
from safetensors.torch import save_model
from torch.nn.functional import cross_entropy

EPOCHS = 40
BATCH = 64

# without these glibc returns every big block to the kernel at each step, which costs most of the time
ALLOCATOR = {
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": "100000000000",
    "MALLOC_TOP_PAD_": "536870912",
    "OMP_NUM_THREADS": "1",  # sums in one order: the same weights every time
}


def main() -> None:
    torch.use_deterministic_algorithms(True)
    model = build().to(memory_format=torch.channels_last)
    images, labels = train_split()
    targets = torch.from_numpy(labels)
    steps = -(-len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, epochs=EPOCHS, steps_per_epoch=steps)
    shuffle = np.random.default_rng(0)
    for epoch in range(EPOCHS):
        model.train()
        epoch_images = torch.from_numpy(distort(images, seed=1000 + epoch))
        for rows in np.array_split(shuffle.permutation(len(images)), steps):
            loss = cross_entropy(model(epoch_images[rows]), targets[rows], label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {loss.item():.3f}, test accuracy {accuracy(model):.4f}", flush=True)
    save_model(model.to(memory_format=torch.contiguous_format), str(Path(__file__).parent / "digits.safetensors"))


@torch.no_grad()
def accuracy(model: torch.nn.Module) -> float:
    images, labels = evaluation()
    answers = model.eval()(torch.from_numpy(images)).argmax(1)
    return (answers == torch.from_numpy(labels)).float().mean().item()


if __name__ == "__main__":
    if any(os.environ.get(name) != value for name, value in ALLOCATOR.items()):
        # glibc reads them when the process starts
        os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ALLOCATOR})
    main()
