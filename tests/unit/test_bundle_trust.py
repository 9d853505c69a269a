"""Bundles: what must be refused is, with the reason that every reader gives; keys and written forms."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from bundles import NOW, Sound, ring
from hostile_bundles import Case, Suites

from edgeship.apps.board import trust
from edgeship.apps.board.envelope import decode, encode
from edgeship.apps.board.refusal import REASONS, Refused
from edgeship.apps.board.verify import Device, verify
from edgeship.toolchain.bundle import keys
from edgeship.toolchain.errors import EdgeshipError, RecipeError


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Case]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile's, of the duplicate
        return Suites(tmp_path_factory.mktemp("suites")).cases()


def _answer(case: Case) -> str:
    device = Device(case.now, case.installed, case.compatible, case.abi, case.runtimes)
    try:
        verify(Path(case.bundle), trust.anchor(Path(case.root).read_bytes()), device)
    except Refused as refusal:
        return refusal.reason
    return "fine"


def test_every_hostile_bundle_is_refused_with_its_reason(cases: list[Case]) -> None:
    assert {case.name: _answer(case) for case in cases} == {case.name: case.reason for case in cases}


def test_the_suites_meet_every_reason(cases: list[Case]) -> None:
    assert {case.reason for case in cases} == {"fine", *REASONS}


def test_the_boards_command_line_answers_the_same(cases: list[Case], tmp_path: Path) -> None:
    asked = tmp_path / "cases.jsonl"
    asked.write_text("".join(f"{case.line()}\n" for case in cases))
    command = [sys.executable, "-m", "edgeship.apps.board", "conformance", str(asked)]
    answered = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert answered == [f'{{"reason": "{case.reason}"}}' for case in cases]


def test_an_envelope_has_one_written_form(tmp_path: Path) -> None:
    ring_ = ring(tmp_path / "keys")
    data = keys.signed(b"what was signed", "text/plain", ring_.signer("bundle"), ring_.signer("root"))
    assert encode(decode(data)) == data
    for place in range(len(data)):
        changed = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        try:
            other = decode(changed)
        except Refused:
            continue
        roles = trust.anchor(ring_.roots[0].read_bytes())
        with pytest.raises(Refused):
            trust.check(other, trust.Role({**roles.bundle.keys, **roles.root.keys}, 2))


def test_after_rotations_an_old_device_takes_new_bundles_and_a_new_one_no_old_ones(tmp_path: Path) -> None:
    ring_ = ring(tmp_path / "keys")
    first = trust.anchor(ring_.roots[0].read_bytes())
    old = Sound.make(ring_).write(tmp_path / "old")
    keys.rotate(ring_, "bundle")
    keys.rotate(ring_, "root")
    new = Sound.make(ring_).write(tmp_path / "new")
    assert verify(new, first, Device(NOW)).root.version == 3
    with pytest.raises(Refused) as refused:
        verify(old, trust.anchor(ring_.roots[-1].read_bytes()), Device(NOW))
    assert refused.value.reason == "key-revoked"


def test_keys_are_for_their_owner_alone_and_never_made_over_others(tmp_path: Path) -> None:
    ring_ = ring(tmp_path / "keys")
    assert [file.stat().st_mode & 0o777 for file in ring_.folder.glob("*.pem")] == [0o600, 0o600]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").write_bytes(b"")
    with pytest.raises(RecipeError, match="not a folder of keys"):
        keys.opened(tmp_path / "photos")
    (file,) = (ring_.folder / f"{key}.pem" for key in ring_.root.bundle.keys)
    file.write_text("not a key")
    with pytest.raises(EdgeshipError, match=file.name):
        ring_.signer("bundle")


def test_a_rotation_that_was_cut_short_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring_ = ring(tmp_path / "keys")
    before = ring_.signer("bundle").public_key.keyid
    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", lambda *_: pytest.fail("cut"))
        with pytest.raises(pytest.fail.Exception):
            keys.rotate(ring_, "bundle")
    assert (ring_.root.version, ring_.signer("bundle").public_key.keyid) == (1, before)
    assert keys.rotate(ring_, "bundle").revoked == {before}


def test_a_root_that_counts_one_key_twice_is_none(tmp_path: Path) -> None:
    import json

    ring_ = ring(tmp_path / "keys")
    envelope = decode(ring_.roots[0].read_bytes())
    about = json.loads(envelope.payload)
    key = about["roles"]["root"]["keyids"][0]
    about["keys"]["twin"] = about["keys"][key]
    about["roles"]["root"] |= {"keyids": [key, "twin"], "threshold": 2}
    forged = keys.signed(json.dumps(about).encode(), trust.ROOT_TYPE, ring_.signer("root"))
    with pytest.raises(Refused) as refused:
        trust.anchor(forged)
    assert refused.value.reason == "root-malformed"
