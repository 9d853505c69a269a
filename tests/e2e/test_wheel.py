"""What a user installs: the wheel, in an environment of its own, far from this checkout."""

from __future__ import annotations

import importlib.metadata as metadata
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from workplace import Workplace, recipe_text

ROOT = Path(__file__).parents[2]
VERSION = metadata.version("edgeship")
SITE = Path(sysconfig.get_path("purelib"))
PARTS = (
    "pyproject.toml",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
    "edgeship",
    "toolchain",
    "targets",
    "calibration",
    "apps",
)
"""What a wheel is built from."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy: setuptools leaves build/ and egg-info where it builds."""
    out, source = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("source")
    for part in (ROOT / name for name in PARTS):
        if part.is_dir():
            shutil.copytree(part, source / part.name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(part, source)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(source)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


def environment(folder: Path, wheel: Path) -> Path:
    """A new environment that holds the wheel and nothing else; its site-packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
    subprocess.run([*uv, "--python", str(folder / "bin" / "python"), str(wheel)], check=True)
    return next((folder / "lib").glob("python*/site-packages"))


@pytest.fixture(scope="module")
def full(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The wheel with everything that is installed here: edgeship[all]."""
    tmp = tmp_path_factory.mktemp("full")
    site = environment(tmp / "venv", wheel)
    (site / "others.pth").write_text(f"{SITE}\n")  # what a .pth file brings is not searched for .pth files: no checkout
    return Workplace(tmp / "project", tmp / "cache", {"PYTHONPATH": ""}, tmp / "venv" / "bin" / "edgeship")


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """The wheel with its plain dependencies, linked from this environment: no exporter."""
    tmp = tmp_path_factory.mktemp("base")
    site = environment(tmp / "venv", wheel)
    for name in sorted(dependencies("edgeship")):
        for entry in {file.parts[0] for file in metadata.files(name) or ()} - {"..", "__pycache__"}:
            if not (site / entry).exists():
                (site / entry).symlink_to(SITE / entry)
    return Workplace(tmp / "project", tmp / "cache", {"PYTHONPATH": ""}, tmp / "venv" / "bin" / "edgeship")


def dependencies(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    """What pip would install with a distribution, without extras."""
    found: set[str] = set()
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.name in seen or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        found |= {requirement.name, *dependencies(requirement.name, seen | found | {name, requirement.name})}
    return found


def inside(wheel: Path) -> set[str]:
    return set(zipfile.ZipFile(wheel).namelist())


def sources(folder: Path, suffixes: Iterable[str]) -> set[str]:
    return {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.suffix in suffixes}


def test_agents_schemas_and_templates_travel_in_the_wheel(wheel: Path) -> None:
    names = inside(wheel)
    for part in ("apps/agents", "apps/protocol"):
        wanted = sources(ROOT / part, {".py", ".cpp", ".h", ".json"})
        assert wanted
        assert {f"edgeship/{part}/{file}" for file in wanted} <= names
    for package in ("toolchain", "targets", "calibration"):
        wanted = sources(ROOT / package, {".py", ".html", ".css", ".js", ".j2", ".toml", ".typed"})
        assert {f"edgeship/{package}/{file}" for file in wanted} <= names
    assert not [name for name in names if name.startswith(("tests/", "examples/", "shared/")) or "__pycache__" in name]


@pytest.mark.slow
def test_the_installed_wheel_converts_verifies_and_measures(full: Workplace) -> None:
    import_path = "import edgeship; print(edgeship.__file__)"
    python = full.executable.with_name("python")
    found = subprocess.run([python, "-c", import_path], capture_output=True, text=True, cwd=full.folder, check=True)
    assert found.stdout.startswith(str(full.executable.parents[1]))
    assert full.edgeship("--help").returncode == 0
    assert {row["name"] for row in full.json("targets") if row["group"] == "targets"} >= {"onnx", "litert", "coreml"}
    done = full.edgeship(
        *("convert", "./model.py:build", "-i", "image:batch[1-8]x3x16x16", "-t", "onnx", "-t", "executorch"),
        *("--evaluation", "./data.py:images", "--quick"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for file in (full.folder / "runs").rglob("model.*"):
        verified = full.json("verify", file, "--against", "recipe.toml")
        assert verified["verdict"] == "pass"
    results = full.json("bench", *(full.folder / "runs").rglob("model.*"), "--quick")
    runtimes = {file["measurement"]["runtime"].split()[0] for file in results["files"]}
    assert runtimes == {"onnxruntime", "executorch"}


def test_nothing_but_edgeship_is_in_everybodys_import_path(wheel: Path) -> None:
    assert {name.partition("/")[0] for name in inside(wheel)} == {"edgeship", f"edgeship-{VERSION}.dist-info"}


@pytest.mark.slow
def test_a_users_own_toolchain_targets_and_calibration_live_beside_edgeship(full: Workplace) -> None:
    folder = full.folder.with_name("crowded")
    shutil.copytree(full.folder, folder, ignore=shutil.ignore_patterns("runs"))
    (folder / "toolchain").mkdir()
    for name in ("toolchain/__init__.py", "targets.py"):
        (folder / name).write_text("raise SystemExit('the user's own module was taken for edgeship's')\n")
    (folder / "calibration.py").write_text("from data import images as samples\n")
    text = recipe_text("torchscript").replace("./data.py:images", "./calibration.py:samples")
    crowded = Workplace(folder, full.cache, full.env, full.executable)
    assert [line["verdict"] for line in crowded.json("run", crowded.recipe("own.toml", text), "--quick")["lines"]] == [
        "pass"
    ]
    notebook = (
        "import sys; sys.path.insert(0, ''); import edgeship, torch, calibration\n"
        "layers = torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(784, 2)\n"
        "made = edgeship.convert(torch.nn.Sequential(*layers), [torch.randn(1, 3, 16, 16)], ['torchscript'])\n"
        "assert [one.passed for one in made] == [True], made\n"
        "assert calibration.__file__.endswith('crowded/calibration.py')\n"
    )
    done = subprocess.run(
        [full.executable.with_name("python"), "-c", notebook],
        cwd=folder, env=crowded.environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_a_base_install_starts_and_says_how_to_install_the_rest(base: Workplace) -> None:
    assert base.edgeship("--help").returncode == 0
    targets = {row["name"]: row for row in base.json("targets") if row["group"] == "targets"}
    assert targets["torchscript"]["installed"]
    assert not targets["onnx"]["installed"]
    assert targets["onnx"]["install"] == "pip install 'edgeship[onnx]'"
    remedies = {row["what"]: row["remedy"] for row in base.json("doctor")}
    assert remedies["executorch"] == "pip install 'edgeship[executorch]'"
    for command in ("check", "run"):
        done = base.edgeship(command, base.recipe("onnx.toml", recipe_text("onnx")))
        assert done.returncode == 4
        assert done.stderr == (
            "error: not installed: onnx, onnxruntime, onnxscript\n hint: pip install 'edgeship[onnx]'\n"
        )
    assert base.edgeship("inspect", "model.onnx").returncode == 2
    (base.folder / "model.onnx").write_bytes(b"")
    done = base.edgeship("inspect", "model.onnx")
    assert (done.returncode, "pip install 'edgeship[onnx]'" in done.stderr) == (4, True)


@pytest.mark.slow
def test_a_base_install_does_the_job_for_the_runtime_it_has(base: Workplace) -> None:
    recipe = base.recipe("torchscript.toml", recipe_text("torchscript"))
    assert base.edgeship("check", recipe).returncode == 0
    report = base.json("run", recipe, "--quick")
    assert [line["verdict"] for line in report["lines"]] == ["pass"]
