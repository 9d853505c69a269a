"""What is certainly wrong with a reference to Python, found without importing or running anything."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edgeship.toolchain.errors import EdgeshipError, MissingError, RecipeError
from edgeship.toolchain.outline import fault

NET = """
import json as notation, os.path
from math import sin, cos as cosine
raise SystemExit("this was executed")
if notation:
    def chosen(): ...
else:
    chosen = None
try:
    import nothing_like_it as optional
except ImportError:
    optional = None
with open("x") as file:
    for index in file:
        pass
(first, *rest), kept = ([1, 2], 3), (walrus := 4)
class Net:
    def forward(self): ...
def make():
    global later
    later = 1
match kept:
    case {"a": [captured, *others], **remaining}: ...
"""

BOUND = (
    "notation os sin cosine chosen optional file index first rest kept walrus Net make later captured others remaining"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(NET)
    package = tmp_path / "mine"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("from .parts import *\nfrom . import inner\n")
    (package / "parts.py").write_text("from .inner.deep import *\ndef part(): ...\n")
    (package / "inner" / "__init__.py").write_text("from ..parts import *\n")  # in a circle, as packages have it
    (package / "inner" / "deep.py").write_text("def deep(): ...\n")
    for name, text in {
        "lazy": "def __getattr__(name): ...",
        "made": "for n in (18, 50):\n    globals()[f'resnet{n}'] = n",
        "itself": "import sys\nsys.modules[__name__] = object()",
        "starred": "from nothing_like_it import *",
        "compiled": "from math import *",
        "broken": "def x(:",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", [*BOUND.split(), "Net.forward", "make.anything"])
def test_every_way_to_bind_a_name_counts(name: str, folder: Path) -> None:
    assert fault(f"./net.py:{name}", folder) is None
    assert fault(f"net:{name}", folder) is None


@pytest.mark.parametrize(
    "reference",
    [
        "mine:part", "mine:deep", "mine:inner.deep.deep", "mine.inner.deep:deep", "mine.parts:part",
        "./lazy.py:x", "./made.py:resnet18", "./itself.py:x", "./starred.py:x", "./compiled.py:sin",
        "os.path:join", "os:path.join", "json:loads", "math:sin", "math:no_such_name", "sys:exit",
        "torch.nn:Linear", "torch:nn.Linear", "torch.ops:x", "torch.ops.aten:x", "collections.abc:Mapping",
        "torchvision.models:mobilenet_v3_small", "torchvision:models.resnet18", "timm:create_model",
        "timm.models:resnet18", "transformers:AutoModel", "edgeship:convert",
    ],
)  # fmt: skip
def test_what_may_be_there_raises_no_alarm(reference: str, folder: Path) -> None:
    assert fault(reference, folder) is None


@pytest.mark.parametrize(
    ("reference", "kind", "message", "hint"),
    [
        ("./net.py:mak", RecipeError, "there is no 'mak' in ./net.py", "did you mean 'make'?"),
        ("./net.py:forward", RecipeError, "there is no 'forward'", "it has: Net, "),
        ("./net.py", RecipeError, "'./net.py' names no function", "./net.py:make; it has Net, make"),
        ("./net.py:", RecipeError, "names no function", "./net.py:make"),
        ("./none.py", RecipeError, "names no function", "./file.py:function"),
        ("torchvision", RecipeError, "names no function", "package.module:function"),
        ("./none.py:make", RecipeError, "there is no file", "check the path"),
        ("./broken.py:x", RecipeError, "broken.py:1: SyntaxError", "correct the file"),
        ("mine:dep", RecipeError, "there is no 'dep' in mine", "did you mean 'deep'?"),
        ("mine.part:part", RecipeError, "there is no module mine.part", "did you mean 'parts'?"),
        ("torchvision.models:mobilenet_v3_smal", RecipeError, "there is no", "did you mean 'mobilenet_v3_small'?"),
        ("torch.nn:Linaer", RecipeError, "there is no 'Linaer'", "did you mean 'Linear'?"),
        ("nothing_like_it.models:x", MissingError, "there is no module 'nothing_like_it'", "install the package"),
    ],
)
def test_what_is_certainly_not_there_is_named(
    reference: str, kind: type[EdgeshipError], message: str, hint: str, folder: Path
) -> None:
    error = fault(reference, folder)
    assert type(error) is kind
    assert isinstance(error, EdgeshipError)
    assert message in str(error)
    assert hint in error.hint


def test_nothing_is_imported(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from edgeship.toolchain.outline import fault\n"
        "assert fault('torchvision.models:resnet18', Path()) is None and fault('mine.inner:x', Path()) is not None\n"
        "assert fault('./net.py:make', Path()) is None\n"
        "print({'torch', 'torchvision', 'mine', 'mine.inner', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
