"""What a run keeps of a model's samples: inputs and the float model's answers, so that files can be tried elsewhere."""

from __future__ import annotations

from pathlib import Path

from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.samples import Array, Samples, load_samples

MOST_BYTES = 8 << 20
"""Of one model; digits' 599 samples are 2.5 MB."""
INPUTS, OUTPUTS = "inputs.safetensors", "outputs.safetensors"


def keep(samples: Path, reference: Path, folder: Path) -> None:
    """Copy the first samples and the float model's answers to them; several lines of a model may do so at once."""
    inputs, outputs = load_samples(samples), load_samples(reference)
    count = affordable(inputs, MOST_BYTES)
    folder.mkdir(parents=True, exist_ok=True)
    for name, kept in ((INPUTS, inputs), (OUTPUTS, outputs)):
        partial = folder / f"{name}.{id(kept)}.partial"
        kept.take(range(min(count, len(kept)))).save(partial)
        partial.replace(folder / name)


def read(folder: Path) -> tuple[Samples, dict[str, Array]]:
    """What `keep` kept: [n, *shape] each; RecipeError where a run has none."""
    if not (folder / OUTPUTS).is_file():
        raise RecipeError(f"{folder}: the run kept no samples", "run the recipe again: an earlier edgeship kept none")
    return load_samples(folder / INPUTS), dict(load_samples(folder / OUTPUTS).inputs)


def affordable(samples: Samples, most_bytes: int) -> int:
    """How many samples take at most so many bytes; at least one."""
    each = sum(array.nbytes for array in samples.inputs.values()) / max(1, len(samples))
    return max(1, min(len(samples), int(most_bytes / max(1.0, each))))
