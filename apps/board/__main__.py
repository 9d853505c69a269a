"""`python3 -m board verify BUNDLE --root FILE`: 0 and the artifacts that fit, or 1 and the reason.

`conformance CASES` answers one JSON line of `{"bundle", "root", "now", …}` after another with its reason or "fine".
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import trust
from .refusal import Refused
from .verify import Device, verify


def main() -> int:
    """Read the command line and answer."""
    parser = argparse.ArgumentParser(prog="board", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("verify", help="look at one bundle")
    one.add_argument("bundle", type=Path)
    one.add_argument("--root", type=Path, required=True, help="the root.json that this device trusts")
    one.add_argument("--now", default=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}", help="else this machine's clock")
    one.add_argument("--installed", type=int, metavar="VERSION", help="refuse what is older")
    one.add_argument("--compatible", metavar="TEXT", help="what this product takes")
    one.add_argument("--abi", help="e.g. arm64-v8a")
    one.add_argument("--runtime", action="append", default=[], metavar="NAME=VERSION")
    many = commands.add_parser("conformance", help="answer every case of a file")
    many.add_argument("cases", type=Path)
    options = parser.parse_args()
    if options.command == "conformance":
        for line in options.cases.read_text().splitlines():
            print(json.dumps({"reason": _answer(json.loads(line))[0]}), flush=True)
        return 0
    runtimes = dict(text.split("=", 1) for text in options.runtime)
    reason, said = _answer({**vars(options), "runtimes": runtimes})
    print(json.dumps({"reason": reason, "said": said}))
    return int(reason != "fine")


def _answer(case: dict[str, Any]) -> tuple[str, Any]:
    about = ("now", "installed", "compatible", "abi", "runtimes")
    device = Device(**{key: case[key] for key in about if case.get(key) is not None})
    try:
        found = verify(Path(case["bundle"]), trust.anchor(Path(case["root"]).read_bytes()), device)
    except Refused as error:
        return error.reason, str(error)
    return "fine", list(found.artifacts)


if __name__ == "__main__":
    sys.exit(main())
