"""Quantization-aware training: the program it ends in, its accuracy, low bits, and resuming."""

from __future__ import annotations

import functools
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchao.quantization.pt2e import FakeQuantize

from edgeship.toolchain.api import FLOAT32, W8A8_STATIC, ExportError, QuantSpec, Signature, Tensor, export, folded
from edgeship.toolchain.passes import qat
from edgeship.toolchain.passes.finetune import Finetune
from edgeship.toolchain.passes.prune import PruneStructured
from edgeship.toolchain.passes.qat import Qat
from edgeship.toolchain.passes.quantize import QuantizeStatic
from tests.models import digit_data
from tests.unit.training_context import Said, accuracy, answers, context, module, sqnr_db

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def trained() -> torch.export.ExportedProgram:
    train, _ = digit_data()
    return Qat(epochs=1).apply(module(), context(training=replace(train, labels=None)))


def test_it_ends_in_an_unfolded_int8_program_as_good_as_the_float_model(trained: torch.export.ExportedProgram) -> None:
    program = trained.module()
    names = [str(node.target) for node in trained.graph.nodes]
    assert sum("quantize_per_channel.default" in name for name in names) >= 6  # one weight each, still float
    assert not any("batch_norm" in name or "fake" in name for name in names)
    assert answers(program).abs().max() > 1
    assert accuracy(program) >= accuracy(module()) - 0.01
    assert sqnr_db(answers(module()), answers(program)) > 15
    assert len(set(answers(program).flatten().tolist())) <= 256  # the output is quantized


def test_the_program_takes_every_batch_that_the_signature_allows_and_folds(
    trained: torch.export.ExportedProgram,
) -> None:
    there = context()
    program = trained.module()
    for size in (1, 2, 600):
        assert program(torch.rand(size, 1, 8, 8))[0].shape == (size, 10)
    small = folded(trained, there.signature, there.example)
    torch.testing.assert_close(answers(small.module()), answers(program), rtol=1e-4, atol=1e-4)
    assert any(tensor.dtype == torch.int8 for tensor in small.state_dict.values())


@pytest.mark.slow
def test_weights_of_one_sign_keep_zero_points_of_zero_which_runtimes_need() -> None:
    net = module()
    for part in net.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.weight.data[0].abs_()
    train, _ = digit_data()
    program = Qat(epochs=1).apply(net, context(training=replace(train, labels=None)))
    zero_points = [t for name, t in program.state_dict.items() if "zero_point" in name and t.numel() > 1]
    assert len(zero_points) >= 6
    assert all(int(t.abs().max()) == 0 for t in zero_points)


@pytest.mark.slow
def test_a_fixed_batch_is_trained_in_batches_and_fixed_again() -> None:
    fixed = Signature(
        (Tensor(name="image", dtype="float32", shape=(1, 1, 8, 8)),),
        (Tensor(name="logits", dtype="float32", shape=(1, 10)),),
    )
    program = Qat(epochs=1, batch_size=128).apply(module(), replace(context(), signature=fixed))
    inputs = [node for node in program.graph.nodes if node.op == "placeholder"][-1]
    assert tuple(inputs.meta["val"].shape) == (1, 1, 8, 8)


@pytest.mark.slow
def test_training_wins_back_what_three_bits_lose() -> None:
    there = context()
    crude = Qat(epochs=1, weight_bits=3, lr=1e-12).apply(module(), there)  # ranges only
    taught = Qat(epochs=4, weight_bits=3, lr=2e-3).apply(module(), there)
    assert sqnr_db(answers(module()), answers(taught.module())) > 3 + sqnr_db(
        answers(module()), answers(crude.module())
    )
    weights = [folded(taught, there.signature, there.example).state_dict[name] for name in _int8(taught)]
    assert weights
    assert all(int(weight.abs().max()) <= 3 for weight in weights)


def _int8(program: torch.export.ExportedProgram) -> list[str]:
    small = folded(program, context().signature, context().example)
    return [name for name, tensor in small.state_dict.items() if tensor.dtype == torch.int8]


@pytest.mark.slow
def test_a_conversion_with_other_scales_than_the_trained_ones_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def stretch(prepared: torch.fx.GraphModule) -> None:
        for part in prepared.modules():
            if isinstance(part, FakeQuantize) and part.is_per_channel:
                part.calculate_qparams = functools.partial(lambda own: (own.scale * 1.1, own.zero_point), part)

    monkeypatch.setattr(qat, "keep_trained_scales", stretch)
    with pytest.raises(ExportError, match="'logits' of the converted program agrees with the trained one by"):
        Qat(epochs=1, weight_bits=4).apply(module(), context())


@pytest.mark.slow
def test_an_interrupted_run_ends_with_the_program_of_one_that_was_not(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums in one order
    options = Qat(epochs=3, batch_size=128)

    def interrupt(text: str) -> None:
        if text.startswith("epoch 3"):  # ranges are frozen from here on: a resumed run must freeze them too
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        options.apply(module(), context(tmp_path, progress=interrupt))
    said = Said()
    resumed = options.apply(module(), context(tmp_path, said))
    whole = options.apply(module(), context())
    torch.set_num_threads(threads)
    assert said.progress[0] == "going on after epoch 2"
    assert torch.equal(answers(resumed.module()), answers(whole.module()))


@pytest.mark.slow
def test_prune_finetune_and_quantization_compose() -> None:
    there = context()
    pruned = PruneStructured(ratio=0.4).apply(module(), there)
    repaired = Finetune(epochs=3, lr=3e-3).apply(pruned, there)
    exported = export(repaired, there.example, there.signature)
    static = QuantizeStatic().apply(exported, there).module()
    aware = Qat(epochs=1).apply(repaired, there).module()
    assert accuracy(static) > 0.93
    assert accuracy(aware) > 0.93
    assert sqnr_db(answers(static), answers(aware)) < 60  # they are two programs


def test_the_spec_says_bits_and_an_impossible_order_is_refused() -> None:
    assert Qat().spec(FLOAT32) == W8A8_STATIC
    assert str(Qat(weight_bits=4).spec(FLOAT32)) == "w4a8-static"
    with pytest.raises(ValueError, match="w8a8-static already"):
        Qat().spec(QuantSpec("static", 8, 8))
