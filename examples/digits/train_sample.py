"""Train the sample of `edgeship init` and write its weights and data: `python examples/digits/train_sample.py`."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import cross_entropy

SAMPLE = Path(__file__).parents[2] / "toolchain" / "commands" / "sample"
EPOCHS = 40
BATCH = 64


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("sample_model", SAMPLE / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    digits = load_digits()
    # sixteenths: float16 holds them exactly
    images, labels = (digits.images / 16).astype(np.float32)[:, None], digits.target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(
        images, labels, test_size=1 / 3, stratify=labels, random_state=0
    )
    model = module.build()
    steps = -(-len(x_train) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, epochs=EPOCHS, steps_per_epoch=steps)
    shuffle = np.random.default_rng(0)
    for _ in range(EPOCHS):
        model.train()
        for rows in np.array_split(shuffle.permutation(len(x_train)), steps):
            loss = cross_entropy(model(torch.from_numpy(x_train[rows])), torch.from_numpy(y_train[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    with torch.no_grad():
        right = (model.eval()(torch.from_numpy(x_test)).argmax(1) == torch.from_numpy(y_test)).float().mean()
    print(f"test accuracy {right:.4f} on {len(x_test)} images")
    save_file(model.state_dict(), SAMPLE / "weights.safetensors")
    np.savez_compressed(SAMPLE / "calibration.npz", image=x_train[:256].astype(np.float16))
    np.savez_compressed(SAMPLE / "evaluation.npz", image=x_test.astype(np.float16), labels=y_test.astype(np.uint8))


if __name__ == "__main__":
    main()
