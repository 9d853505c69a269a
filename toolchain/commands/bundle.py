"""`bundle` and `verify-bundle`: lines of a run as one signed thing that an app ships, and whether it may be used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgeship import toolchain
from edgeship.apps.board import trust
from edgeship.apps.board import verify as board
from edgeship.apps.board.names import is_plain
from edgeship.apps.board.refusal import Refused
from edgeship.toolchain import artifact as artifacts
from edgeship.toolchain.archive import Source
from edgeship.toolchain.artifact import Contract
from edgeship.toolchain.bundle import contents as writing
from edgeship.toolchain.bundle import keys as signing
from edgeship.toolchain.bundle.contents import Contents
from edgeship.toolchain.bundle.golden import golden
from edgeship.toolchain.bundle.keys import Keys
from edgeship.toolchain.bundle.manifest import Manifest, NamedFile
from edgeship.toolchain.bundle.shipped import artifact_of, place_of, shipped
from edgeship.toolchain.devices.local import Local
from edgeship.toolchain.errors import EdgeshipError, RecipeError
from edgeship.toolchain.report import golden as kept
from edgeship.toolchain.report.document import Report, ReportLine
from edgeship.toolchain.report.folder import newest

GOLDEN_BYTES = 256 << 10
MOST_GOLDEN = 16
"""Samples that a bundle holds unless it is told otherwise."""


@dataclass(frozen=True)
class Wishes:
    """What goes into a bundle, and what it says of itself; what is None follows from the run."""

    variants: Sequence[str]
    targets: Sequence[str] = ()
    model: str | None = None
    version: int | None = None
    compatible: str | None = None
    days: int = 365
    abis: Sequence[str] = ()
    licences: Sequence[Path] = field(default_factory=tuple)
    samples: int | None = None


def bundle(run: Path, out: Path, wishes: Wishes, keys: Path, on_note: Callable[[str], None]) -> Manifest:
    """Put the lines of a run that may ship into a signed bundle at `out`, a folder or a .zip file.

    RecipeError for a wish that the run does not know, or a place that is taken; EdgeshipError for a line that must not
    ship, or a file that is not the one the run judged.
    """
    writing.check_free(out)
    folder = newest(run)
    report = folder.report()
    lines = _chosen(report, wishes, on_note)
    _check_licences(wishes.licences)
    ring, made = signing.opened(keys)
    if made:
        on_note(f"made keys in {keys}: keep a copy, only who has them can sign what follows this bundle")
    contents = Contents()
    places = [place_of(folder, line) for line in lines]
    told = [
        shipped(line, place, wishes.abis, report.quick, contents) for line, place in zip(lines, places, strict=True)
    ]
    samples, expected = kept.read(folder.golden(lines[0].model))
    count = min(wishes.samples or min(MOST_GOLDEN, kept.affordable(samples, expected, GOLDEN_BYTES)), len(samples))
    tried = [(one.name, artifact_of(line), place) for one, line, place in zip(told, lines, places, strict=True)]
    with Local().open() as link:
        trial = golden(samples.take(range(count)), expected, tried, link, contents)
    manifest = Manifest(
        name=report.name,
        version=wishes.version or int("".join(filter(str.isdigit, report.created_at))),
        compatible=wishes.compatible or report.name,
        created_at=report.created_at,
        expires_at=signing.expiry(wishes.days),
        artifacts=told,
        contract=next((artifact_of(line).contract for line in lines), Contract()),
        golden=trial,
        licences=[contents.add(f"licences/{file.name}", file) for file in wishes.licences],
        files=contents.files,
        roots=[NamedFile(path=f"roots/{file.name}", sha256=artifacts.digest(file)) for file in ring.roots[1:]],
        edgeship=toolchain.__version__,
    )
    writing.write(out, _entries(manifest, contents, ring), lambda written: _check(written, ring))
    return manifest


def place_in(run: Path) -> Path:
    """Where a run's own bundle lies."""
    return newest(run).path / "bundle.zip"


def verify(bundle: Path, root: Path | None, device: board.Device) -> board.Verified:
    """Look at a bundle as an app does; without a root by the first one of this user's keys.

    EdgeshipError with the reason for which it is refused.
    """
    signing.check_installed()
    if not trust.is_time(device.now):
        raise RecipeError(f"{device.now}: is not a time", "e.g. 2026-11-30T12:00:00Z")
    roots = [root] if root else Keys(signing.default_folder()).roots
    if not roots:
        raise RecipeError("no root of trust is known here", "--root names the root.json that the app ships with")
    try:
        anchors = [trust.anchor(file.read_bytes()) for file in dict.fromkeys((roots[0], roots[-1]))]
    except (OSError, Refused) as error:
        raise RecipeError(f"{roots[0]}: is not a root of trust ({error})", "name the root.json of an app") from error
    try:
        verified = [board.verify(bundle, one, device) for one in anchors]  # the newest: what later bundles tell devices
    except Refused as refusal:
        raise EdgeshipError(f"{bundle}: refused ({refusal.reason}): {refusal}", "do not use it") from refusal
    return verified[0]


def runtimes(given: Sequence[str]) -> dict[str, str]:
    """Versions by runtime of NAME=VERSION; RecipeError for other words."""
    return dict(named("--runtime", given, "VERSION", "onnxruntime=1.23"))


def named(option: str, given: Sequence[str], what: str, example: str) -> list[tuple[str, str]]:
    """The two sides of each NAME=…; RecipeError for other words."""
    pairs = [(name, value) for name, _, value in (text.partition("=") for text in given)]
    for text, (name, value) in zip(given, pairs, strict=True):
        if not name or not value:
            raise RecipeError(f"{option} {text}: is not NAME={what}", f"e.g. {option} {example}")
    return pairs


def _check_licences(files: Sequence[Path]) -> None:
    names = [file.name for file in files]
    for file in files:
        if not file.is_file():
            raise RecipeError(f"{file}: there is no such file", "name the licence's text")
        if names.count(file.name) > 1 or not is_plain(file.name):
            raise RecipeError(f"{file}: a bundle cannot hold a licence of this name", "give each a name of its own")


def _check(written: Path, keys: Keys) -> None:
    """What is given away is taken by a device that knows only the first root."""
    try:
        board.verify(written, trust.anchor(keys.roots[0].read_bytes()), board.Device(trust.now()))
    except Refused as refusal:
        raise EdgeshipError(f"every device would refuse this bundle: {refusal}", "see `edgeship keys`") from refusal


def _chosen(report: Report, wishes: Wishes, on_note: Callable[[str], None]) -> list[ReportLine]:
    """The lines that go in; one that was asked for by its target and must not ship is an error, others are left out."""
    models = list(dict.fromkeys(line.model for line in report.lines))
    if wishes.model is None and len(models) > 1:
        raise RecipeError(f"the run has the models {', '.join(models)}", "--model names the one that goes in")
    known: dict[str, tuple[Sequence[str], set[str]]] = {
        "model": ((wishes.model,) if wishes.model else (), set(models)),
        "variant": (wishes.variants, {line.variant for line in report.lines}),
        "target": (wishes.targets, {line.target for line in report.lines}),
    }
    for what, (names, there) in known.items():
        if unknown := [name for name in names if name not in there]:
            raise RecipeError(f"the run has no {what} {', '.join(unknown)}", f"it has {', '.join(sorted(there))}")
    asked = [
        line
        for line in report.lines
        if line.model == (wishes.model or models[0])
        and line.variant in wishes.variants
        and line.target in (wishes.targets or known["target"][1])
    ]
    over = {finding.line for finding in report.budgets if finding.verdict == "exceeded"}
    reasons = {line.name: "a budget is exceeded" if line.name in over else _why_not(line) for line in asked}
    for name, reason in reasons.items():
        if reason and wishes.targets:
            raise EdgeshipError(f"{name} must not ship: {reason}", "leave its target out")
        if reason:
            on_note(f"{name} is left out: {reason}")
    chosen = [line for line in asked if not reasons[line.name]]
    if not chosen:
        raise EdgeshipError("no line of the run may ship", "see the run's report for what is wrong with each")
    return chosen


def _why_not(line: ReportLine) -> str:
    if line.verdict == "pass":
        return ""
    return "; ".join(line.reasons[:2]) or line.outcome


def _entries(manifest: Manifest, contents: Contents, keys: Keys) -> dict[str, Source]:
    payload = (manifest.model_dump_json(by_alias=True, exclude_none=True, indent=1) + "\n").encode()
    newer = {f"roots/{file.name}": file for file in keys.roots[1:]}
    return {
        board.MANIFEST: payload,
        board.ENVELOPE: signing.signed(payload, board.MANIFEST_TYPE, keys.signer("bundle")),
        **newer,
        **{f"files/{sha256}": source for sha256, source in sorted(contents.stored.items())},
    }
