"""Trained weights from files as people have them."""

from __future__ import annotations

import argparse
import collections
import os
import pathlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from edgeship.toolchain.errors import SourceError
from edgeship.toolchain.model.weights import load_weights


class Net(nn.Module):
    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.head = nn.Linear(width, 4)


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.decoder = nn.Linear(4, 10, bias=False)
        self.decoder.weight = self.embedding.weight


@pytest.fixture
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    net = Net()
    net.norm.running_mean.normal_()
    return dict(net.state_dict())


def fitted(path: Path, **options: Any) -> nn.Module:
    torch.manual_seed(2)
    net = Net()
    load_weights(net, path, **options)
    return net


def same(net: nn.Module, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in net.state_dict().items())


def saved(content: Any, path: Path) -> Path:
    torch.save(content, path)
    return path


def test_safetensors_and_plain_state_dicts_are_loaded(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, tmp_path / "w.safetensors")
    assert same(fitted(tmp_path / "w.safetensors"), state)
    for name in ("w.pt", "w.pth", "w.ckpt", "w.bin"):
        assert same(fitted(saved(state, tmp_path / name)), state)
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert same(fitted(tmp_path / "old.pt"), state)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
def test_the_prefixes_of_wrappers_are_removed(tmp_path: Path, state: dict[str, torch.Tensor], prefix: str) -> None:
    path = saved({f"{prefix}{name}": tensor for name, tensor in state.items()}, tmp_path / "w.pt")
    assert same(fitted(path), state)


def test_a_part_that_was_compiled_on_its_own_is_found(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    compiled = {name.replace("stem.", "stem._orig_mod."): tensor for name, tensor in state.items()}
    assert same(fitted(saved(compiled, tmp_path / "w.pt")), state)


def test_a_training_checkpoint_with_everything_beside_the_weights_is_read(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    optimizer = torch.optim.Adam(Net().parameters())
    checkpoint = {
        "epoch": 3,
        "args": argparse.Namespace(lr=0.1, output=pathlib.PosixPath("/somewhere"), names=["a"], best=np.float64(0.9)),
        "model": collections.OrderedDict(state),
        "optimizer": optimizer.state_dict(),
        "metrics": {"accuracy": np.float32(0.5), "history": np.arange(3), "per_class": np.array([0.1, 0.2])},
    }
    assert same(fitted(saved(checkpoint, tmp_path / "w.pth")), state)


def test_of_several_state_dicts_the_user_chooses(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    averaged = {name: tensor + 1 for name, tensor in state.items()}
    path = saved(
        {"state_dict": state, "state_dict_ema": averaged, "deep": {"ema": {"model": averaged}}}, tmp_path / "w"
    )
    with pytest.raises(SourceError, match=r"several state dicts: 'state_dict', 'state_dict_ema', 'deep\.ema\.model'"):
        fitted(path)
    assert same(fitted(path, key="state_dict_ema"), averaged)
    assert same(fitted(path, key="deep.ema.model"), averaged)
    with pytest.raises(SourceError, match="no state dict at 'ema'") as caught:
        fitted(path, key="ema")
    assert "'state_dict_ema'" in caught.value.hint


def test_a_state_dict_of_something_else_is_passed_over(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    path = saved({"discriminator": {"d.weight": torch.ones(2)}, "generator": state}, tmp_path / "w.pt")
    assert same(fitted(path), state)


class Attack:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_wants_to_run_code_is_refused_and_does_not(
    tmp_path: Path, state: dict[str, torch.Tensor], zipped: bool
) -> None:
    marker = tmp_path / "was_here"
    content = {"model": state, "extra": Attack(marker)}
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(SourceError, match="refused, because reading it would run code") as caught:
        fitted(tmp_path / "w.pt")
    assert "mkdir" in str(caught.value)
    assert "torch.save(model.state_dict(), path)" in caught.value.hint
    assert not marker.exists()


def test_a_whole_pickled_module_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"test_weights\.Net"):
        fitted(saved(Net(), tmp_path / "w.pt"))


def test_damaged_files_are_named(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.pt")
    for name in ("w.safetensors", "w.pt"):
        whole = (tmp_path / name).read_bytes()
        for part in (b"", whole[:50], whole[: len(whole) // 2]):
            (tmp_path / name).write_bytes(part)
            with pytest.raises(SourceError, match=name.replace(".", r"\.")) as caught:
                fitted(tmp_path / name)
            assert "truncated" in caught.value.hint
    with pytest.raises(SourceError, match="no such file"):
        fitted(tmp_path / "nothing.pt")
    (tmp_path / "text.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(SourceError):
        fitted(tmp_path / "text.pt")


def test_missing_and_unexpected_names_are_errors_unless_named(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    without_head = {name: tensor for name, tensor in state.items() if not name.startswith("head")}
    path = saved({**without_head, "aux.weight": torch.ones(1)}, tmp_path / "w.pt")
    with pytest.raises(SourceError, match=r"lacks head\.weight, head\.bias, and has aux\.weight besides") as caught:
        fitted(path)
    assert "allow_missing = ['head.weight', 'head.bias'] and allow_unexpected = ['aux.weight']" in caught.value.hint
    with pytest.raises(SourceError, match=r"lacks head\.weight"):
        fitted(path, allow_unexpected=["aux.*"])
    net = fitted(path, allow_missing=["head.*"], allow_unexpected=["aux.*"])
    assert torch.equal(net.state_dict()["stem.weight"], state["stem.weight"])


def test_a_near_match_a_prefix_and_a_wrong_shape_have_their_own_remedy(
    tmp_path: Path, state: dict[str, torch.Tensor]
) -> None:
    renamed = {name.replace("stem", "stemm"): tensor for name, tensor in state.items()}
    with pytest.raises(SourceError) as caught:
        fitted(saved(renamed, tmp_path / "w.pt"))
    assert "'stemm.weight' looks like 'stem.weight'" in caught.value.hint
    prefixed = saved({f"net.{name}": tensor for name, tensor in state.items()}, tmp_path / "p.pt")
    with pytest.raises(SourceError) as caught:
        fitted(prefixed)
    assert "strip_prefix = 'net.'" in caught.value.hint
    assert same(fitted(prefixed, strip_prefix="net."), state)
    with pytest.raises(SourceError, match=r"stem\.weight is \[16, 3, 3, 3\], the model's is \[8, 3, 3, 3\]"):
        fitted(saved(Net(16).state_dict(), tmp_path / "wide.pt"))


def test_a_tied_weight_that_is_stored_once_is_not_missing(tmp_path: Path) -> None:
    save_model(Tied(), str(tmp_path / "w.safetensors"))
    load_weights(Tied(), tmp_path / "w.safetensors")


def test_weights_with_nan_are_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    state["head.bias"] = torch.tensor([1.0, float("nan"), 0, 0])
    with pytest.raises(SourceError, match=r"NaN or infinite values in head\.bias"):
        fitted(saved(state, tmp_path / "w.pt"))


def test_a_torchscript_archive_is_a_program_not_weights(tmp_path: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(tmp_path / "w.pt"))  # type: ignore[no-untyped-call]
    with pytest.raises(SourceError, match="TorchScript program, not a state dict"):
        fitted(tmp_path / "w.pt")
