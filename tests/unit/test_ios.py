"""iPhones and iPads as devicectl lists them: which is meant, what it is, and what stands in its way."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import iphone
import pytest

from edgeship.toolchain.devices.ios.device import Ios
from edgeship.toolchain.devices.ios.devicectl import result_of
from edgeship.toolchain.devices.ios.listing import Listing, Phone, chosen
from edgeship.toolchain.errors import DeviceError, MissingError
from edgeship.toolchain.protocol.machine import DeviceFacts

RECORDED = Path(__file__).parents[1] / "recorded" / "apple" / "list-devices.json"


def read(told: bytes) -> list[Phone]:
    return result_of(Listing, told).phones


def phones() -> list[Phone]:
    return read(RECORDED.read_bytes())


def changed(**parts: dict[str, Any]) -> list[Phone]:
    """The first device alone, with parts of it replaced."""
    first = json.loads(RECORDED.read_text())["result"]["devices"][0]
    for name, part in parts.items():
        first[name] |= part
    return read(json.dumps({"result": {"devices": [first]}}).encode())


def test_phones_and_tablets_are_found_and_what_is_neither_is_left_out() -> None:
    assert [phone.name for phone in phones()] == ["Test iPhone", "Lab iPad"]
    facts = phones()[0].facts()
    assert facts == {
        "manufacturer": "Apple",
        "model": "iPhone 15 Pro",
        "os": {"name": "ios", "version": "18.1", "build": "22B83"},
        "cpu": {"arch": "arm64"},
    }
    for phone in phones():
        DeviceFacts.model_validate(phone.facts())
    assert phones()[1].facts()["os"]["name"] == "ipados"


@pytest.mark.parametrize("wanted", ["Test iPhone", "00008130-000000000000001C", "00000000-0000-4000-8000-0000000000A1"])
def test_one_is_chosen_by_whatever_names_it(wanted: str) -> None:
    assert chosen(phones(), wanted).name == "Test iPhone"
    assert chosen(changed(), "").name == "Test iPhone"


def test_what_stands_in_the_way_is_said_with_what_helps() -> None:
    cases = (
        (phones(), "", "devicectl knows several: Test iPhone, Lab iPad"),
        (phones(), "Lab iPad", "Lab iPad is out of reach"),
        (phones(), "Mine", "no phone or tablet is called Mine"),
        ([], "", "devicectl knows no phone"),
        (changed(connectionProperties={"pairingState": "unpaired"}), "", "Test iPhone is not paired"),
        (changed(deviceProperties={"developerModeStatus": "disabled"}), "", "Test iPhone is not in developer mode"),
    )
    for listed, wanted, said in cases:
        with pytest.raises(DeviceError) as caught:
            chosen(listed, wanted)
        assert str(caught.value) == said
        assert caught.value.hint
    for told, why in ((b"{}", "its JSON has no result"), (b'{"result": {}}', "result.devices: Field required")):
        with pytest.raises(DeviceError, match=f"devicectl answered otherwise than expected: {why}"):
            read(told)


def test_it_is_asked_through_xcrun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = iphone.make(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with Ios(name="Test iPhone").open() as link:
        assert link.facts()["model"] == "iPhone 15 Pro"
    assert [words[:3] for words in phone.asked] == [["devicectl", "list", "devices"]]
    xcrun = tmp_path / "bin" / "xcrun"
    xcrun.write_text("#!/bin/sh\necho no developer directory >&2; exit 72\n")
    with pytest.raises(DeviceError, match="devicectl ended with code 72: no developer directory"), Ios().open():
        pass
    xcrun.unlink()
    with pytest.raises(MissingError, match="there is no xcrun"), Ios().open():
        pass
