"""The examples do what their READMEs say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeship.calibration.checks import check_calibration
from edgeship.calibration.selection import read_selected
from edgeship.toolchain import registry
from edgeship.toolchain.api import Samples, Signature, Tensor, load_callable
from edgeship.toolchain.metrics.python import Python
from edgeship.toolchain.metrics.top1 import Top1

EXAMPLES = Path(__file__).parents[2] / "examples"
DIGITS = Signature((Tensor(name="image", dtype="float32", shape=("batch", 1, 32, 32)),), (), {"batch": (1, 16)})
PITCH = Signature((Tensor(name="frame", dtype="float32", shape=("batch", 1024)),), (), {"batch": (1, 16)})


def read(example: str, function: str, signature: Signature, **selection: Any) -> Samples:
    dataset = registry.load("datasets", "python")(function=f"{EXAMPLES / example}/data.py:{function}")  # type: ignore[call-arg]
    return read_selected(dataset, signature, **selection)  # type: ignore[arg-type]


def fetched(file: str) -> Path:
    path = EXAMPLES / file
    if not path.exists():
        pytest.skip(f"{file} is not here: run python examples/get_weights.py")
    return path


def test_the_committed_digits_net_reads_unseen_digits() -> None:
    import torch
    from safetensors.torch import load_model

    net = load_callable("./digits/model.py:build", EXAMPLES)()
    weights = EXAMPLES / "digits" / "digits.safetensors"
    assert weights.stat().st_size < 1_000_000
    load_model(net, str(weights))
    samples = read("digits", "evaluation", DIGITS)
    net.eval()
    with torch.no_grad():  # in small batches: glibc gives big blocks back to the kernel at every layer
        logits = torch.cat([net(batch) for batch in torch.from_numpy(samples.inputs["image"][:, 0]).split(32)]).numpy()
    scores = Top1().score({"logits": logits[:, None]}, samples.labels, {})
    assert scores.shape == (599,)
    assert scores.mean() >= 0.99
    assert np.abs(logits).mean() > 1


def test_digits_calibration_is_sound_and_apart_from_the_test() -> None:
    calibration = read("digits", "calibration", DIGITS, count=128, how="stratified", seed=0)
    evaluation = read("digits", "evaluation", DIGITS)
    assert calibration.labels is not None
    assert set(np.bincount(calibration.labels)) <= {12, 13}
    assert check_calibration(calibration, evaluation) == []
    seen = {image.tobytes() for image in read("digits", "calibration", DIGITS).inputs["image"]}
    assert not seen & {image.tobytes() for image in evaluation.inputs["image"]}


def test_pitch_labels_are_exact() -> None:
    samples = read("pitch", "evaluation", PITCH, count=20)
    assert samples.labels is not None
    # a tone's spectrum, finely interpolated, has a peak at its pitch
    for frame, cents in zip(samples.inputs["frame"][:, 0], samples.labels, strict=True):
        pitch_hz = 10 * 2 ** (cents / 1200)
        near_hz = pitch_hz * 2 ** (np.arange(-300, 301, 5) / 1200)
        windowed = frame * np.hanning(1024)
        power = np.abs(np.exp(-2j * np.pi * near_hz[:, None] * np.arange(1024) / 16_000) @ windowed)
        assert abs(power.argmax() - 60) * 5 <= 50 or pitch_hz < 100  # below, neighbouring harmonics overlap


def test_the_pitch_metric_hears_half_a_semitone_and_no_silence() -> None:
    bins = np.zeros((4, 1, 360), np.float32)
    bins[:3, 0, 100] = 1
    bins[3] = np.nan
    middle = 100 * 20 + 1997.3794084376191
    labels = np.array([middle + 49, middle - 49, middle + 51, middle])
    metric = Python(function=f"{EXAMPLES}/pitch/data.py:within_50_cents")
    assert metric.score({"bins": bins}, labels, {}).tolist() == [1, 1, 0, 0]
    assert metric.score({"bins": np.zeros_like(bins)}, labels, {}).tolist() == [0, 0, 0, 0]


def test_the_pitch_net_hears_the_tones() -> None:
    import torch

    weights = fetched("pitch/weights/tiny.pth")
    net = load_callable("./pitch/model.py:build", EXAMPLES)()
    net.load_state_dict(torch.load(weights, weights_only=True))
    samples = read("pitch", "evaluation", PITCH, count=100)
    with torch.no_grad():
        bins = net.eval()(torch.from_numpy(samples.inputs["frame"][:, 0])).numpy()
    metric = Python(function=f"{EXAMPLES}/pitch/data.py:within_50_cents")
    assert metric.score({"bins": bins[:, None]}, samples.labels, {}).mean() >= 0.98


def test_retrieval_lines_are_pairs_and_not_calibration() -> None:
    rows = [json.loads(line) for line in (EXAMPLES / "minilm" / "retrieval.jsonl").read_text().splitlines()]
    assert [row["line"] for row in rows] == list(range(240))
    calibration = (EXAMPLES / "minilm" / "calibration.txt").read_text().splitlines()
    assert len({*calibration, *(row["text"] for row in rows)}) == 240 + 64


def test_retrieval_metrics_tell_good_embeddings_from_silence() -> None:
    questions = np.eye(4, 8)
    embeddings = np.stack([questions, questions + 0.1], axis=1).reshape(8, 1, 8).astype(np.float32)
    labels = np.arange(8)
    swapped = embeddings[[0, 3, 2, 1, 4, 5, 6, 7]]

    def score(function: str, outputs: Any) -> float:
        metric = Python(function=f"{EXAMPLES}/minilm/metric.py:{function}")
        return float(metric.score({"embedding": outputs}, labels, {"embedding": embeddings}).mean())

    assert score("agreement", embeddings) == score("finds_its_partner", embeddings) == 1
    assert score("agreement", swapped) == score("finds_its_partner", swapped) == 0.5
    assert score("agreement", embeddings * np.nan) <= 0.25
    assert score("finds_its_partner", embeddings * 0) <= 0.25


@pytest.mark.slow
def test_the_encoder_finds_most_partners() -> None:
    import torch
    from safetensors.torch import load_file

    weights = fetched("minilm/weights/model.safetensors")
    net = load_callable("./minilm/model.py:build", EXAMPLES)()
    loaded = net.load_state_dict(load_file(weights), strict=False)
    assert not loaded.missing_keys
    tokens = [Tensor(name=name, dtype="int64", shape=(1, 64)) for name in ("input_ids", "attention_mask")]
    text = registry.load("datasets", "text")(  # type: ignore[call-arg]
        path=EXAMPLES / "minilm" / "retrieval.jsonl", tokenizer=str(weights.parent), label="line"
    )
    samples = read_selected(text, Signature(tuple(tokens), ()))  # type: ignore[arg-type]
    with torch.no_grad():
        embeddings = net.eval()(*(torch.from_numpy(array[:, 0]) for array in samples.inputs.values())).numpy()
    metric = Python(function=f"{EXAMPLES}/minilm/metric.py:finds_its_partner")
    assert metric.score({"embedding": embeddings[:, None]}, samples.labels, {}).mean() >= 0.8
