"""Bundles on a board: look at one, install it into one of two slots, say which to load.

`install`, `start` and `good` work on a folder that is theirs alone. A service asks `start` for the bundle to load and
says `good` once it answers; one that was loaded and never found good is not loaded again. Exit codes: 0 fine, 1
refused or busy, 2 the command line is wrong. `conformance` answers a file of cases, one JSON line after another.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from . import trust
from .refusal import Refused
from .slots import BusyError, Slots
from .verify import Device, verify


def main() -> int:
    """Read the command line, do it, and print one JSON line."""
    options = _options()
    if options.command == "conformance":
        for line in options.cases.read_text().splitlines():
            print(json.dumps({"reason": _answer(json.loads(line))}), flush=True)
        return 0
    try:
        print(json.dumps(_done(options)))
    except BusyError as busy:
        print(json.dumps({"reason": "busy", "said": str(busy)}))
        return 1
    except Refused as refusal:
        print(json.dumps({"reason": refusal.reason, "said": str(refusal)}))
        return 1
    return 0


def _options() -> argparse.Namespace:
    """The command line; ends the process where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="board", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, said in (("verify", "look at a bundle"), ("install", "verify it, and put it into the slot not in use")):
        command = commands.add_parser(name, help=said)
        command.add_argument("bundle", type=Path)
        command.add_argument("--root", type=Path, required=True, help="the root.json that this device ships with")
        command.add_argument("--now", default=trust.now(), help="else this machine's clock")
        command.add_argument("--compatible", metavar="TEXT", help="what this product takes")
        command.add_argument("--abi", help="e.g. arm64-v8a")
        command.add_argument("--runtime", action="append", default=[], metavar="NAME=VERSION", help="may be repeated")
        if name == "verify":
            command.add_argument("--installed", type=int, metavar="VERSION", help="refuse what is older")
        else:
            command.add_argument("--store", type=Path, required=True, help="the slots' folder")
    for name, said in (("start", "the bundle to load now"), ("good", "what start gave answers as it should")):
        commands.add_parser(name, help=said).add_argument("--store", type=Path, required=True, help="the slots' folder")
    commands.add_parser("conformance", help="answer every case of a file").add_argument("cases", type=Path)
    options = parser.parse_args()
    if options.command in ("verify", "install"):
        if not trust.is_time(options.now):
            parser.error(f"--now {options.now}: is not a time like 2026-11-30T12:00:00Z")
        if wrong := [text for text in options.runtime if not all(text.partition("="))]:
            parser.error(f"--runtime {wrong[0]}: is not NAME=VERSION")
        try:
            options.trusted = trust.anchor(options.root.read_bytes())
        except (OSError, Refused) as error:
            parser.error(f"--root {options.root}: {error}")
    return options


def _done(options: argparse.Namespace) -> dict[str, Any]:
    if options.command == "start":
        return {"bundle": str(place) if (place := Slots(options.store).start()) else None}
    if options.command == "good":
        return {"good": Slots(options.store).found_good()}
    runtimes = dict(text.split("=", 1) for text in options.runtime)
    device = _device({**vars(options), "runtimes": runtimes})
    if options.command == "install":
        found = Slots(options.store).install(options.bundle, options.trusted, device)
    else:
        found = verify(options.bundle, options.trusted, device)
    return {"version": found.manifest["version"], "artifacts": found.artifacts}


def _device(about: dict[str, Any]) -> Device:
    keys = ("now", "installed", "compatible", "abi", "runtimes")
    return Device(**{key: about[key] for key in keys if about.get(key) is not None})


def _answer(case: dict[str, Any]) -> str:
    """The reason, or fine."""
    try:
        verify(Path(case["bundle"]), trust.anchor(Path(case["root"]).read_bytes()), _device(case))
    except Refused as refusal:
        return refusal.reason
    return "fine"


if __name__ == "__main__":
    sys.exit(main())
