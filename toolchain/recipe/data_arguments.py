"""Data named on the command line, and how its pictures are prepared, as tables of a recipe."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from edgeship.toolchain import outline
from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.recipe import writer
from edgeship.toolchain.references import source_file


def data_table(data: str) -> dict[str, Any]:
    """A data set from a path (by what lies there) or a function reference."""
    path = Path(data)
    if path.is_dir():
        kind = "huggingface" if (path / "dataset_info.json").exists() else "image-folder"
        return {"source": kind, "path": str(path.resolve())}
    if not path.exists() and ":" not in data:
        raise RecipeError(f"{data}: there is no such file or folder", "name data, or a ./file.py:function")
    if not path.exists() or path.suffix == ".py":
        if error := outline.fault(data, Path.cwd()):
            raise error
        file = source_file(data, Path.cwd())
        return {"source": "python", "function": data if file is None else f"{file}:{data.rpartition(':')[2]}"}
    if path.suffix in (".npz", ".npy", ".safetensors"):
        return {"source": "arrays", "path": str(path.resolve())}
    raise RecipeError(
        f"{data}: not a kind of data edgeship reads by its path",
        "name a folder of pictures, a .npz, .npy or .safetensors, or a ./file.py:function; others go into a recipe",
    )


def holds_pictures(table: dict[str, Any]) -> bool:
    """Whether a data table's samples are pictures, which need preprocessing."""
    if table["source"] == "huggingface":
        try:
            features = json.loads((Path(table["path"]) / "dataset_info.json").read_text()).get("features") or {}
        except (OSError, ValueError):
            return False  # reading it will say what is wrong
        return any(isinstance(f, dict) and f.get("_type") == "Image" for f in features.values())
    return bool(table["source"] == "image-folder")


def preprocess_value(text: str) -> str | dict[str, Any]:
    """`timm:NAME`, `torchvision:WEIGHTS`, or options: `mean=[0.5], std=[0.5]`, one number standing for a list."""
    if "=" not in text:
        if ":" in text:
            return text
        raise RecipeError(
            f"--preprocess {text!r}: not preprocessing",
            "write timm:NAME, torchvision:WEIGHTS, or options like 'mean=[0.5], std=[0.5]'",
        )
    inner = text.strip().removeprefix("{").removesuffix("}")
    try:
        options: dict[str, Any] = tomllib.loads(f"given = {{ {inner} }}")["given"]
    except (ValueError, RecursionError) as error:
        raise RecipeError(
            f"--preprocess {text!r}: {error}",
            "e.g. --preprocess 'mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]'",
        ) from error
    return {
        key: [item] if key in ("mean", "std") and isinstance(item, int | float) else item
        for key, item in options.items()
    }


def options_text(options: dict[str, Any]) -> str:
    """Options as --preprocess takes them."""
    return ", ".join(f"{key}={writer.value(item)}" for key, item in options.items())
