"""What a model was made from: the user's files, weights and packages, for keys and provenance."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeship.toolchain import artifact
from edgeship.toolchain.model.source import ModelSource
from edgeship.toolchain.references import source_file

if TYPE_CHECKING:
    pass


def code_files(source: ModelSource, base: Path) -> list[Path]:
    """The user's Python files that loading the model imported: call it in the process that called `load`."""
    folders = {base.resolve()}
    if source.factory is not None:
        if file := source_file(source.factory, base):
            folders.add(file.parent)
        elif origin := getattr(sys.modules.get(source.factory.partition(":")[0].partition(".")[0]), "__file__", None):
            folders.add(Path(origin).resolve().parent)
    files = {Path(file).resolve() for m in list(sys.modules.values()) if (file := getattr(m, "__file__", None))}
    return sorted(
        file
        for file in files
        if file.suffix == ".py"
        and not {"site-packages", "dist-packages"} & set(file.parts)
        and any(file.is_relative_to(folder) for folder in folders)
    )


def identity(
    source: ModelSource,
    base: Path,
    code: Iterable[Path] = (),
    digest: Callable[[Path], str] = artifact.digest,
) -> dict[str, Any]:
    """What the loaded model depends on, for a cache key; torch is not imported.

    `code` is what `code_files` answered at the first build; `digest` may be a cached one. A file that is gone has the
    digest 'missing'. Paths are relative to `base` where they lie in it.
    """

    def entry(path: Path) -> tuple[str, str]:
        name = path.relative_to(base).as_posix() if path.is_relative_to(base) else path.name
        return name, digest(path) if path.is_file() else "missing"

    files = [base / path for path in (source.weights, source.program) if path is not None]
    files += [file for file in (source_file(source.factory, base) if source.factory else None,) if file]
    return {
        "model": source.model_dump(mode="json", exclude={"weights", "program"}),
        "files": dict(sorted(entry(path) for path in files)),
        "code": dict(sorted(entry(path) for path in code)),
        "packages": _package_versions(source),
    }


def provenance(source: ModelSource, base: Path) -> dict[str, Any]:
    """`identity` with the code files of this process, and one digest over all of it; call it after `load`."""
    import json

    about = identity(source, base.resolve(), code_files(source, base))
    about["digest"] = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
    return about


def _package_versions(source: ModelSource) -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    names = {"torch"}
    if source.factory is not None and source_file(source.factory, Path()) is None:
        names.add(source.factory.partition(":")[0].partition(".")[0])
    versions = {}
    for name in sorted(names):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:  # the distribution has another name than its package; or it is a user's folder
            versions |= {found: version(found) for found in packages_distributions().get(name, [])}
    return versions
