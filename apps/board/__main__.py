"""Bundles on a board: look at one, bring it into one of two slots, try it, say which to load.

`install`, `update`, `start`, `check` and `good` work on a folder that is theirs alone. A service asks `start` for the
bundle to load and says `good` once it answers; one that was loaded and never found good is not loaded again. `try` is
`start`, `check` and `good` in one. Exit codes: 0 fine, 1 refused, busy, not fetched or not good, 2 the command line is
wrong. `conformance` answers a file of cases, one JSON line after another.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from . import trust
from .download import connected
from .failure import FailedError
from .refusal import Refused
from .slots import Slots
from .verify import Device, verify

Said = dict[str, Any]
UNTRIED = ("artifact-unknown", "missing", "runtime-missing")
"""Reasons of a check that say nothing of the bundle."""


def main() -> int:
    """Read the command line, do it, and print one JSON line."""
    options = _options()
    if options.command == "conformance":
        for line in options.cases.read_text().splitlines():
            print(json.dumps({"reason": _answer(json.loads(line))}), flush=True)
        return 0
    try:
        said = DOES[options.command](options)
    except (Refused, FailedError) as error:
        said = {"reason": error.reason, "said": str(error)}
    except ModuleNotFoundError as error:
        said = {"reason": "missing", "said": f"{error.name} is not installed: pip install {error.name}"}
    except OSError as error:
        said = {"reason": "disk", "said": str(error)}
    print(json.dumps(said))
    return 1 if "reason" in said else 0


def _options() -> argparse.Namespace:
    """The command line; ends the process where it is wrong."""
    parser = argparse.ArgumentParser(
        prog="board", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, said in (
        ("verify", "look at a bundle"),
        ("install", "verify it, and put it into the slot not in use"),
        ("update", "fetch what a server has that is newer, and install it"),
    ):
        command = commands.add_parser(name, help=said)
        if name == "update":
            command.add_argument("url", help="where `edgeship publish` wrote to, as a static server has it")
            command.add_argument("--budget", type=_bytes, metavar="BYTES", help="end before more than this is received")
            command.add_argument("--again", action="store_true", help="also a version that was tried and given up")
        else:
            command.add_argument("bundle", type=Path)
        command.add_argument("--root", type=Path, required=True, help="the root.json that this device ships with")
        command.add_argument("--now", default=trust.now(), help="else this machine's clock")
        command.add_argument("--compatible", metavar="TEXT", help="what this product takes")
        command.add_argument("--abi", help="e.g. arm64-v8a")
        command.add_argument("--runtime", action="append", default=[], metavar="NAME=VERSION", help="may be repeated")
        if name == "verify":
            command.add_argument("--installed", type=int, metavar="VERSION", help="refuse what is older")
    for name, said in (
        ("start", "the bundle to load now"),
        ("check", "run the golden samples of what start gave"),
        ("good", "what start gave answers as it should"),
        ("try", "start, check and good: the bundle to load, after it answered here as it should"),
    ):
        commands.add_parser(name, help=said)
    for name in ("install", "update", "start", "check", "good", "try"):
        commands.choices[name].add_argument("--store", type=Path, required=True, help="the slots' folder")
    for name in ("check", "try"):
        commands.choices[name].add_argument(
            "--artifact", action="append", default=[], metavar="NAME", help="else all that have a runtime here"
        )
    commands.add_parser("conformance", help="answer every case of a file").add_argument("cases", type=Path)
    options = parser.parse_args()
    if options.command in ("verify", "install", "update"):
        _check(parser, options)
    return options


def _bytes(text: str) -> int:
    """A number of bytes; ValueError, which argparse tells."""
    if (count := int(text)) < 0:
        raise ValueError(text)
    return count


def _check(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    if not trust.is_time(options.now):
        parser.error(f"--now {options.now}: is not a time like 2026-11-30T12:00:00Z")
    if wrong := [text for text in options.runtime if not all(text.partition("="))]:
        parser.error(f"--runtime {wrong[0]}: is not NAME=VERSION")
    if options.command == "update" and not options.url.startswith(("http://", "https://")):
        parser.error(f"{options.url}: is not an address of http or https")
    try:
        options.trusted = trust.anchor(options.root.read_bytes())
    except (OSError, Refused) as error:
        parser.error(f"--root {options.root}: {error}")


def _verify(options: argparse.Namespace) -> Said:
    found = verify(options.bundle, options.trusted, _device_of(options))
    return {"version": found.manifest["version"], "artifacts": found.artifacts}


def _install(options: argparse.Namespace) -> Said:
    found = Slots(options.store).install(options.bundle, options.trusted, _device_of(options))
    return {"version": found.manifest["version"], "artifacts": found.artifacts}


def _update(options: argparse.Namespace) -> Said:
    from . import delta, updates

    slots, device = Slots(options.store), _device_of(options)
    with connected(options.url, options.budget, lambda said: print(said, file=sys.stderr)) as server:
        updated = updates.update(server, slots, options.trusted, device, delta.library(), options.again)
        return updates.said(updated, server)


def _start(options: argparse.Namespace) -> Said:
    return {"bundle": str(place) if (place := Slots(options.store).start()) else None}


def _check_health(options: argparse.Namespace) -> Said:
    from . import health

    place = Slots(options.store).place
    if place is None:
        return {"reason": "nothing-installed", "said": f"{options.store}: nothing is installed"}
    found = health.check(place, options.artifact)
    said: Said = {one.artifact: {"sqnr_db": round(one.sqnr_db, 2), "least_db": round(one.least_db, 2)} for one in found}
    if bad := [one.artifact for one in found if not one.good]:
        return {
            "reason": "not-good",
            "said": f"{', '.join(bad)}: other answers than the golden ones",
            "artifacts": said,
        }
    return {"good": True, "artifacts": said}


def _good(options: argparse.Namespace) -> Said:
    return {"good": Slots(options.store).found_good()}


def _try(options: argparse.Namespace) -> Said:
    """A process of its own runs the samples: where a runtime ends it, this one goes back."""
    slots = Slots(options.store)
    place = slots.start()
    state = slots.state
    if state is None or state.stage != "trying":
        return {"bundle": str(place) if place else None}
    chosen = [word for name in options.artifact for word in ("--artifact", name)]
    command = [sys.executable, "-m", str(__package__), "check", "--store", str(options.store), *chosen]
    done = subprocess.run(command, capture_output=True, text=True)
    told = _told(done)
    if told.get("reason") in UNTRIED:
        slots.untried()
        return told
    if done.returncode == 0 and slots.found_good():
        return {"bundle": str(place), "checked": told["artifacts"]}
    before = slots.start()
    found: Said = {"bundle": str(before) if before else None, "given_up": state.version, "said": told["said"]}
    return found if before else {"reason": "nothing-installed", **found}


def _told(done: subprocess.CompletedProcess[str]) -> Said:
    """What a check says in its last line, after what the runtime prints; or how it ended."""
    try:
        found = json.loads(done.stdout.strip().rpartition("\n")[2])
        if isinstance(found, dict) and ("said" in found or "artifacts" in found):
            return found
    except ValueError:
        pass
    return {"said": f"the check ended by itself ({done.returncode}): {done.stderr.strip().rpartition(chr(10))[2]}"}


DOES = {
    "verify": _verify, "install": _install, "update": _update,
    "start": _start, "check": _check_health, "good": _good, "try": _try,
}  # fmt: skip


def _device_of(options: argparse.Namespace) -> Device:
    runtimes = dict(text.split("=", 1) for text in options.runtime)
    return _device({**vars(options), "runtimes": runtimes})


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
