"""`reduced-build`: what a runtime must be able to do for files, in the form that its reduced build takes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path

from edgeship.apps.board import trust
from edgeship.apps.board.verify import MANIFEST, Device
from edgeship.toolchain import registry
from edgeship.toolchain.bundle.contents import SUFFIX, whole
from edgeship.toolchain.bundle.unpacked import unpack
from edgeship.toolchain.commands import bundle as bundling
from edgeship.toolchain.commands.inspect import check, inspect
from edgeship.toolchain.commands.isolated import Reader
from edgeship.toolchain.errors import EdgeshipError, RecipeError, missing_extra
from edgeship.toolchain.report.folder import newest
from edgeship.toolchain.report.required import Required, RequiredOperators
from edgeship.toolchain.runtime import RuntimeInfo

Named = tuple[str, Path]


def required_operators(sources: Sequence[Path], out: Path, root: Path | None) -> RequiredOperators:
    """Write what reduced builds need for bundles, runs (their files that pass) and files into the folder `out`.

    RecipeError for a source that is none of these, or a place that is taken; EdgeshipError for a bundle that is refused
    or a damaged file.
    """
    with whole(out) as partial, tempfile.TemporaryDirectory() as folder:
        named = [file for source in sources for file in _files(source, Path(folder), root)]
        try:
            found = [_written(info, files, partial) for info, files in _by_runtime(named)]
        except EdgeshipError as error:
            raise type(error)(_with_names(str(error), named, folder), error.hint) from error
    return RequiredOperators(folder=str(out), runtimes=found)


def _files(source: Path, folder: Path, root: Path | None) -> Iterator[Named]:
    """A source's files with their names; those of a bundle are written below `folder`."""
    if source.suffix == SUFFIX or (source / MANIFEST).is_file():
        verified = bundling.verify(source, root, Device(trust.now()))
        for artifact in verified.manifest["artifacts"]:
            yield artifact["name"], unpack(verified, artifact, Path(tempfile.mkdtemp(dir=folder)))
    elif source.is_dir() and registry.runtime_of(source.suffix) is None:
        run = newest(source)
        for line in run.report().lines:
            if line.verdict == "pass" and line.path:
                yield f"{line.model}-{line.variant}-{line.target}", run.path / line.path
    else:
        yield source.name, source


def _with_names(message: str, named: Sequence[Named], folder: str) -> str:
    """A message that calls a bundle's file by its artifact, not by where it was unpacked."""
    for name, file in named:
        if file.is_relative_to(folder):
            message = message.replace(str(file), name)
    return message


def _by_runtime(named: Sequence[Named]) -> list[tuple[RuntimeInfo, dict[str, Path]]]:
    """Files by runtime, of those that have one; two of one name are told apart."""
    found: dict[str, dict[str, Path]] = {}
    for name, file in named:
        files = found.setdefault(check(file).name, {})
        number = sum(known.partition("#")[0] == name for known in files)
        files[f"{name}#{number + 1}" if number else name] = file
    if not found:
        raise RecipeError("there is no file that passes", "name files, or see the run's report")
    return [(registry.runtimes()[name], files) for name, files in found.items()]


def _written(info: RuntimeInfo, files: dict[str, Path], out: Path) -> Required:
    if not info.reduce:
        whole = "comes with the system" if info.native_on else "has no build with fewer operators"
        return Required(runtime=info.name, files=list(files), whole=whole)
    for package in {info.distribution, info.inspect_distribution or info.distribution}:
        if not registry.version_of(package):
            raise missing_extra(info.extra, package)
    with Reader() as reader:
        for file in files.values():
            inspect(file, reader)  # a damaged one hurts a child process
    folder = out / info.name
    folder.mkdir(parents=True)
    operators: list[str] = import_module(info.reduce).write_required(files, folder)
    if not operators:
        raise EdgeshipError(f"{', '.join(files)}: no operator is in it", "make the file again")
    written = [file.relative_to(out).as_posix() for file in sorted(folder.iterdir())]
    return Required(runtime=info.name, files=list(files), operators=operators, written=written)
