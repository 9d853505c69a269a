"""A user's own TorchScript: it tells no shapes, so --input does."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgeship.targets.torchscript.inspect import inspect_file
from edgeship.toolchain.commands import verify as verifying
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.judge.verdict import Verdict
from edgeship.toolchain.recipe.arguments import ModelArguments

pytestmark = pytest.mark.heavy

NET = """
import torch
from torch import nn

class Two(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Linear(8, 6), nn.Linear(8, 3)

    def forward(self, x):
        return torch.relu(self.a(x)), self.b(x)

def make():
    return Two().eval()
"""


def verify(*inputs: str) -> Verdict:
    given = ModelArguments("./net.py:make", inputs=list(inputs))
    return verifying.verify(Path("x.pt"), given, None, None, None, None, Local(), lambda note: None)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "net.py").write_text(NET)
    scope: dict[str, object] = {}
    exec(NET, scope)
    torch.jit.trace(scope["make"](), torch.randn(1, 8)).save(str(tmp_path / "x.pt"))  # type: ignore[operator]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGESHIP_CACHE", str(tmp_path / "cache"))
    return tmp_path


def test_it_is_verified_with_the_inputs_that_the_user_names(folder: Path) -> None:
    verdict = verify("x:1x8")
    assert verdict.verdict == "pass", verdict.reasons
    assert verdict.against_float is not None
    assert verdict.against_float.sqnr_db > 100


def test_without_inputs_one_error_says_how_to_name_them(folder: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        verify()
    assert "--input" in caught.value.hint


def test_every_output_of_a_tuple_and_of_a_dict_is_told(folder: Path) -> None:
    class Named(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"sum": x + 1, "product": x * 2}

    torch.jit.script(Named()).save("named.pt")
    assert len(inspect_file(folder / "x.pt")["outputs"]) == 2
    assert [output["name"] for output in inspect_file(folder / "named.pt")["outputs"]] == ["sum", "product"]
