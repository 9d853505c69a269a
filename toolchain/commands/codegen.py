"""`codegen`: a typed wrapper of a bundle in an app's language, with its golden test."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from edgeship.apps.board import trust
from edgeship.apps.board.verify import Device, Verified
from edgeship.toolchain import __version__
from edgeship.toolchain.bundle.manifest import Manifest
from edgeship.toolchain.codegen.render import LANGUAGES, render
from edgeship.toolchain.codegen.samples import samples
from edgeship.toolchain.codegen.wrapper import Wrapper, wrapper
from edgeship.toolchain.commands.bundle import verify
from edgeship.toolchain.errors import EdgeshipError, RecipeError

GOLDEN = "golden"
MARK = "Written by edgeship codegen"
"""In the first lines of each file: what has it may be written over."""


@dataclass(frozen=True)
class Generated:
    """What was written."""

    wrapper: Wrapper
    files: tuple[Path, ...]


def codegen(bundle: Path, language: str, out: Path, root: Path | None, name: str | None) -> Generated:
    """Write a bundle's wrapper, its golden test and the test's samples below `out`.

    EdgeshipError for a bundle that is refused; RecipeError for what no wrapper can be written of, or a folder that
    holds a file of another origin under one of the names.
    """
    verified = verify(bundle, root, Device(trust.now()))
    manifest = _read(bundle, verified)
    found = wrapper(manifest, name)
    stored = {file.path: file.sha256 for artifact in manifest.artifacts for file in artifact.files}
    if missing := [path for path in manifest.contract.files if path not in stored]:
        raise RecipeError(f"{bundle}: lacks {', '.join(missing)}, which its contract names", "make it anew")
    contents = {path: verified.files.read(f"files/{stored[path]}") for path in manifest.contract.files}
    texts = render(found, LANGUAGES[language])
    files: dict[Path, bytes] = {out / path: text.encode() for path, text in texts.items()}
    for file, content in files.items():
        if _is_other(file, content) and not _is_ours(file):
            raise RecipeError(f"{file}: is there already, and was not written by codegen", "name another folder")
    golden = {out / GOLDEN / path: data for path, data in samples(found, contents).items()}
    strange = [file for file, content in golden.items() if _is_other(file, content)]
    if strange and not any(map(_is_ours, out.iterdir())):
        raise RecipeError(f"{strange[0]}: is there already, and no wrapper beside it", "name another folder")
    files |= golden
    try:
        for file, content in files.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
    except OSError as error:
        raise EdgeshipError(f"{error.filename}: cannot be written ({error.strerror})", "name another folder") from error
    return Generated(found, tuple(files))


def _read(bundle: Path, verified: Verified) -> Manifest:
    """EdgeshipError for what another version of edgeship wrote."""
    try:
        return Manifest.model_validate(verified.manifest)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        made = f"made by edgeship {verified.manifest.get('edgeship', 'of another version')}, this is {__version__}"
        raise EdgeshipError(f"{bundle}: {place} is not as this edgeship has it: {made}", "make it anew") from error


def _is_other(file: Path, content: bytes) -> bool:
    """Whether something else is there already."""
    return file.exists() and (not file.is_file() or file.read_bytes() != content)


def _is_ours(file: Path) -> bool:
    return file.is_file() and MARK.encode() in file.read_bytes()[:400]
