"""Commands that bring models into apps: bundle, verify-bundle, publish, keys."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgeship.apps.board.document import MOST_NUMBER
from edgeship.toolchain.cli.app import MISSING, WRONG, BundlePath, Command, Json, Root, app, exit_codes
from edgeship.toolchain.errors import EXIT_LINE_FAILED

MUST_NOT = f"{EXIT_LINE_FAILED} a line must not ship"
UNREADABLE = f"{EXIT_LINE_FAILED} a key cannot be read"
REFUSED = f"{EXIT_LINE_FAILED} the bundle is refused"
KeysFolder = Annotated[
    Path | None,
    typer.Option("--keys", metavar="FOLDER", help="Signing keys, made where there are none; else $EDGESHIP_KEYS."),
]


class Role(StrEnum):
    """Whose key is replaced."""

    bundle = "bundle"
    root = "root"


@app.command(cls=Command, epilog=exit_codes(MUST_NOT, WRONG, MISSING))
def bundle(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, or a folder of runs: then the newest.")],
    variant: Annotated[list[str], typer.Option(metavar="VARIANT", help="What goes in; may be repeated.")],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER|FILE.zip", help="Where the bundle is written; else bundle.zip in the run."),
    ] = None,
    target: Annotated[
        list[str], typer.Option(metavar="TARGET", help="Only this target; may be repeated. Else all that pass.")
    ] = [],  # noqa: B006
    model: Annotated[str | None, typer.Option(metavar="MODEL", help="Of a run of several models: which.")] = None,
    version: Annotated[
        int | None,
        typer.Option(
            "--bundle-version",
            metavar="NUMBER",
            min=1,
            max=MOST_NUMBER,
            help="Only goes up; else the run's time.",
        ),
    ] = None,
    compatible: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The product that takes it; else the recipe's name.")
    ] = None,
    days: Annotated[int, typer.Option(metavar="DAYS", min=1, max=36500, help="How long devices take it.")] = 365,
    abi: Annotated[
        list[str], typer.Option(metavar="ABI", help="Only for devices of this ABI, e.g. arm64-v8a; may be repeated.")
    ] = [],  # noqa: B006
    licence: Annotated[
        list[Path], typer.Option(metavar="FILE", help="A licence's text to go with it; may be repeated.")
    ] = [],  # noqa: B006
    samples: Annotated[
        int | None, typer.Option("--golden", metavar="COUNT", min=1, help="Golden samples; else at most 16 of 256 kB.")
    ] = None,
    keys: KeysFolder = None,
    as_json: Json = False,
) -> None:
    """Put files of a run into one signed bundle for an app.

    Only files whose verdict is pass, with what an app needs to use them: how inputs are made, labels, golden samples,
    figures with their conditions, licences.
    """
    from edgeship.apps.board.tree import tree
    from edgeship.toolchain.bundle.keys import default_folder
    from edgeship.toolchain.commands import bundle as bundling
    from edgeship.toolchain.report.downloads import downloads_of
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.bundle import bundle_view, downloads_view

    wishes = bundling.Wishes(variant, target, model, version, compatible, days, abi, licence, samples)
    place = out or bundling.place_in(run)
    manifest = bundling.bundle(run, place, wishes, keys or default_folder(), console.print_note)
    if as_json:
        console.print_document(manifest)
    else:
        told = manifest.model_dump(by_alias=True)
        console.show(bundle_view(place, told))
        console.show(downloads_view(downloads_of(told, tree(place).open)))


@app.command("verify-bundle", cls=Command, epilog=exit_codes(REFUSED, WRONG))
def verify_bundle(
    bundle: BundlePath,
    root: Root = None,
    installed: Annotated[
        int | None, typer.Option(metavar="VERSION", help="What a device has already: nothing older is taken.")
    ] = None,
    compatible: Annotated[str | None, typer.Option(metavar="TEXT", help="What the product takes.")] = None,
    abi: Annotated[str | None, typer.Option(metavar="ABI", help="Of the device, e.g. arm64-v8a.")] = None,
    runtime: Annotated[
        list[str], typer.Option(metavar="NAME=VERSION", help="One that the device has; may be repeated.")
    ] = [],  # noqa: B006
    now: Annotated[str | None, typer.Option(metavar="TIME", help="The device's clock; else this machine's.")] = None,
    as_json: Json = False,
) -> None:
    """Say whether a device may use a bundle, and why not.

    Everything that an app looks at before it loads a byte: signatures, versions, every file's digest, and, where they
    are given, the device's runtimes and ABI.
    """
    from edgeship.apps.board import trust
    from edgeship.apps.board.verify import Device
    from edgeship.toolchain.commands import bundle as bundling
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.bundle import bundle_view

    device = Device(now or trust.now(), installed, compatible, abi, bundling.runtimes(runtime))
    verified = bundling.verify(bundle, root, device)
    if as_json:
        console.print_json({"bundle": str(bundle), "artifacts": verified.artifacts, "manifest": verified.manifest})
    else:
        console.show(bundle_view(bundle, verified.manifest, verified.artifacts))


@app.command(cls=Command, epilog=exit_codes(REFUSED, WRONG, MISSING))
def publish(
    bundle: BundlePath,
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="What a static server has; made where it is not there.")],
    keep: Annotated[
        int,
        typer.Option(
            metavar="COUNT", min=0, help="Earlier versions that boards come from by deltas; files of others go."
        ),
    ] = 3,
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Put a bundle into a folder that boards update from.

    Any static server can serve it: each file once, by its digest, and deltas against what the folder had. The manifest
    comes last, so that no board sees one whose files are missing.
    """
    from dataclasses import asdict

    from edgeship.toolchain.commands import publish as publishing
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.bundle import published_view

    version, ways = publishing.publish(bundle, to, keep, root)
    fetched = [asdict(way) for way in ways]
    if as_json:
        console.print_json({"site": str(to), "version": version, "fetched": fetched})
    else:
        console.show(published_view(to, version, fetched))


@app.command(cls=Command, epilog=exit_codes(UNREADABLE, WRONG, MISSING))
def keys(
    rotate: Annotated[
        Role | None, typer.Option(metavar="ROLE", help="Replace the key of `bundle` or `root`, and revoke the old one.")
    ] = None,
    folder: KeysFolder = None,
    as_json: Json = False,
) -> None:
    """Show who may sign bundles, or replace a key.

    Apps ship with roots/1.json. After a rotation bundles bring the newer roots along, and what the old key signed is
    refused.
    """
    from edgeship.toolchain.bundle import keys as signing
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.bundle import keys_view

    ring, made = signing.opened(folder or signing.default_folder())
    if made:
        console.print_note(f"made keys in {ring.folder}: keep a copy")
    root = signing.rotate(ring, "bundle" if rotate is Role.bundle else "root") if rotate else ring.root
    if as_json:
        about = {"version": root.version, "expires_at": root.expires_at, "revoked": sorted(root.revoked)}
        console.print_json({"folder": str(ring.folder), **about, "bundle": sorted(root.bundle.keys)})
    else:
        console.show(keys_view(ring.folder, ring.roots, root))
