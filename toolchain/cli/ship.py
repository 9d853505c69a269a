"""Commands around the build of an app: reduced-build, layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgeship.toolchain.bundle.stores import Delivery, Platform, Store
from edgeship.toolchain.cli.app import DAMAGED, MISSING, WRONG, BundlePath, Command, Json, Root, app, exit_codes
from edgeship.toolchain.cli.bundle import REFUSED


@app.command("reduced-build", cls=Command, epilog=exit_codes(DAMAGED, WRONG, MISSING))
def reduced_build(
    sources: Annotated[
        list[Path],
        typer.Argument(metavar="BUNDLE|RUN|FILE", help="What the runtime must execute; of a run all that passes."),
    ],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the lists are written, a folder per runtime.")],
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Write what reduced builds of runtimes must contain.

    ONNX Runtime's required_operators.config, ExecuTorch's selected_operators.yaml with the settings of its CMake build,
    the operators that LiteRT looks up. One list for everything that is named.
    """
    from edgeship.toolchain.commands import required
    from edgeship.toolchain.report.terminal import console
    from edgeship.toolchain.report.terminal.required import required_view

    found = required.required_operators(sources, out, root)
    if as_json:
        console.print_document(found)
    else:
        console.show(required_view(found))


@app.command(cls=Command, epilog=exit_codes(REFUSED, WRONG))
def layout(
    bundle: BundlePath,
    store: Annotated[Store, typer.Argument(metavar="STORE", help="play or apple.")],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where it is written.")],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="Of the pack; else the bundle's.")] = None,
    delivery: Annotated[
        Delivery,
        typer.Option(metavar="WHEN", help="install-time, fast-follow (Apple's prefetch) or on-demand."),
    ] = Delivery.on_demand,
    group: Annotated[
        list[str],
        typer.Option(metavar="NAME=BUNDLE", help="Play: what devices of a group get instead; may be repeated."),
    ] = [],  # noqa: B006
    platform: Annotated[
        list[Platform],
        typer.Option(metavar="PLATFORM", help="Apple: iOS, iPadOS, macOS, tvOS, visionOS; may be repeated. Else iOS."),
    ] = [],  # noqa: B006
    root: Root = None,
    as_json: Json = False,
) -> None:
    """Lay a bundle out for Play's or Apple's own delivery.

    Play: an AI pack, a Gradle module. Apple: an asset pack's manifest and files for ba-package. The bundle's files stay
    as they are, and the app verifies them as it does any bundle.
    """
    from edgeship.toolchain.commands import layout as laying
    from edgeship.toolchain.report.terminal import console

    pack = laying.Pack(store, name, delivery, laying.groups_of(group), platform)
    places = laying.layout(bundle, pack, out, root, console.print_note)
    if as_json:
        console.print_json({"folder": str(out), "bundles": list(map(str, places))})
    else:
        for place in places:
            console.say(f"{place}: written, and verified there", "green")
        console.say(laying.next_step(store, out, places[0]), "dim")
