"""What a run keeps of a model's samples: inputs and the float model's answers, so that files can be tried elsewhere."""

from __future__ import annotations

from pathlib import Path

from edgeship.toolchain.errors import RecipeError
from edgeship.toolchain.samples import Array, Samples, load_samples, samples_in

MOST_BYTES = 8 << 20
"""Of one model; digits' 599 samples are 2.5 MB."""
INPUTS, OUTPUTS = "inputs.safetensors", "outputs.safetensors"


def keep(samples: Path, reference: Path, folder: Path) -> None:
    """Copy the first samples and the float model's answers to them; several lines of a model may do so at once."""
    if (folder / OUTPUTS).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    count = max(1, int(MOST_BYTES / max(1.0, _bytes_of_one(samples) + _bytes_of_one(reference))))
    for name, source in ((INPUTS, samples), (OUTPUTS, reference)):
        kept = load_samples(source, count)
        partial = folder / f"{name}.{id(kept)}.partial"
        try:
            kept.save(partial)
            partial.replace(folder / name)
        finally:
            partial.unlink(missing_ok=True)


def read(folder: Path) -> tuple[Samples, dict[str, Array]]:
    """What `keep` kept: [n, *shape] each; RecipeError where a run has none."""
    if not (folder / OUTPUTS).is_file():
        raise RecipeError(f"{folder}: the run kept no samples", "run the recipe again: an earlier edgeship kept none")
    return load_samples(folder / INPUTS), dict(load_samples(folder / OUTPUTS).inputs)


def affordable(samples: Samples, outputs: dict[str, Array], most_bytes: int) -> int:
    """How many samples take at most so many bytes with what comes out of them; at least one."""
    each = sum(array.nbytes / max(1, len(array)) for array in (*samples.inputs.values(), *outputs.values()))
    return max(1, min(len(samples), int(most_bytes / max(1.0, each))))


def _bytes_of_one(samples: Path) -> float:
    """What one sample of a file takes, without reading them."""
    return samples.stat().st_size / max(1, samples_in(samples))
