"""The networks that artifact_latency compares, as recipes: those with a TOML file, and the list in networks.py."""

from __future__ import annotations

import tomllib
from pathlib import Path

from benchmarks import networks
from benchmarks.results import ROOT
from edgeship.toolchain.recipe import read as recipes
from edgeship.toolchain.recipe.plan import Recipe

FILES = {
    "digits": "benchmarks/recipes/digits.toml",
    "mobilenet_v2": "benchmarks/recipes/mobilenet_v2.toml",
    "mobilenet_v3_large": "benchmarks/recipes/mobilenet_v3_large.toml",
    "resnet18": "benchmarks/recipes/resnet18.toml",
    "minilm": "examples/minilm/recipe.toml",
}
NAMES = (*FILES, *networks.NETWORKS)
DYNAMIC = frozenset({"minilm"})
"""Compared as int8 dynamic; the others as int8 static."""
TARGETS = ("executorch", "onnx", "litert")


def variant(name: str) -> str:
    """Which of the recipe's variants is compared with the float one."""
    return "int8-dynamic" if name in DYNAMIC else "int8"


def recipe(name: str) -> Recipe:
    """The float and the int8 variant of a network for the three runtimes that have a quantizer of their own."""
    path = ROOT / FILES.get(name, "benchmarks/networks.py")
    raw = tomllib.loads(path.read_text()) if name in FILES else networks.tables(name)
    passes = {"int8": ["quantize-static"], "int8-dynamic": ["quantize-dynamic"]}[variant(name)]
    # ExecuTorch's stock quantizer stops at Hugging Face encoders that are quantized dynamically
    targets = TARGETS[1:] if name in DYNAMIC else TARGETS
    raw |= {"variants": {"float": [], variant(name): passes}, "targets": {target: {} for target in targets}}
    return recipes.from_tables(raw, path.parent, str(path), name)


def covers(name: str) -> str:
    """What a network of the list stands for."""
    return networks.NETWORKS[name].covers if name in networks.NETWORKS else ""


def sources(name: str) -> list[Path]:
    """The files that a network and its data are made from."""
    folder = ROOT / "benchmarks"
    if name in FILES:
        return [ROOT / FILES[name], folder / "images.py", folder / "models.py"]
    return [folder / file for file in ("networks.py", "handwritten.py", "signals.py", "images.py")]
