"""The conformance suites: bundles that every reader must refuse, each with the reason that all of them must give.

Suite A: bytes changed after signing. Suite B: hostile, but well signed. Sound bundles, which must be taken, besides.
"""

from __future__ import annotations

import base64
import json
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bundles import EXPIRES, NOW, Sound, ring

from edgeship.apps.board.verify import ENVELOPE, MANIFEST, MANIFEST_TYPE
from edgeship.toolchain.archive import Source
from edgeship.toolchain.bundle import contents, keys

Entries = dict[str, Source]


@dataclass(frozen=True)
class Case:
    """One bundle, the device that meets it, and the answer."""

    name: str
    reason: str
    bundle: str
    root: str
    now: str = NOW
    installed: int | None = None
    compatible: str | None = "digits"
    abi: str | None = None
    runtimes: dict[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """For the readers' command lines; the answer is not told."""
        about = {
            key: value for key, value in asdict(self).items() if key not in ("name", "reason") and value is not None
        }
        return json.dumps(about)


class Suites:
    """Writes the bundles below a folder; keys were replaced once, so that every bundle brings a newer root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.keys = ring(folder / "keys", rotations=1)
        self.root = str(self.keys.roots[0])
        self.sound = Sound.make(self.keys)

    def cases(self) -> list[Case]:
        """All of them, each bundle written."""
        return [*self._sound(), *self._changed(), *self._hostile()]

    def _case(self, name: str, reason: str, entries: Entries | Path, **device: Any) -> Case:
        place = self.folder / name.replace(" ", "-").replace("/", "_")
        if isinstance(entries, Path):
            place = entries
        else:
            contents.write(place, entries)
        return Case(name, reason, str(place), device.pop("root", self.root), **device)

    def _sound(self) -> Iterator[Case]:
        entries = self.sound.entries()
        yield self._case("fine folder", "fine", entries)
        yield self._case("fine zip.zip", "fine", entries)
        device = {"abi": "x86_64", "runtimes": {"onnxruntime": "1.23.0+cpu"}, "installed": 5}
        yield self._case("fine device", "fine", entries, **device)
        yield self._case("fine newest root", "fine", entries, root=str(self.keys.roots[-1]))

    # suite A

    def _changed(self) -> Iterator[Case]:
        whole = self.sound.entries()
        for name in sorted(whole):
            reason = {MANIFEST: "manifest-differs", ENVELOPE: "signature"}.get(name, "file-digest")
            if name.startswith("roots/"):
                reason = "root-signature"
            yield self._case(f"a byte of {name}", reason, {**whole, name: _flipped(_bytes(whole[name]), name)})
        payload = _bytes(whole[MANIFEST])
        for number, changed in enumerate(_fields_changed(json.loads(payload))):
            other = json.dumps(changed, indent=1, ensure_ascii=False).encode()
            forged = _edited(_bytes(whole[ENVELOPE]), payload=base64.b64encode(other).decode())
            yield self._case(f"field {number}", "signature", {**whole, MANIFEST: other, ENVELOPE: forged})
        for name, reason, change in _SIGNATURE_CHANGES:
            yield self._case(f"envelope {name}", reason, {**whole, ENVELOPE: change(_bytes(whole[ENVELOPE]))})

    # suite B

    def _hostile(self) -> Iterator[Case]:
        sound = self.sound
        whole = sound.entries()
        yield self._case("schema too new", "schema-too-new", sound.but(schema="edgeship-bundle/2").entries())
        yield self._case("another schema", "manifest-malformed", sound.but(schema="somebody-else/1").entries())
        yield self._case("no version", "manifest-malformed", sound.but(version="5").entries())
        yield self._case("a version that is no whole number", "manifest-malformed", sound.but(version=5.0).entries())
        yield self._case("an expiry that is no time", "manifest-malformed", sound.but(expires_at="never").entries())
        yield self._case("no artifacts", "manifest-malformed", sound.but(artifacts=None).entries())
        yield self._case("a file that nobody names", "manifest-malformed", sound.but(licences=[]).entries())
        onnx, executorch = sound.manifest["artifacts"]
        bad = {**onnx, "runtime": {**onnx["runtime"], "minimum_version": "new"}}
        yield self._case(
            "a minimum that is no version", "manifest-malformed", sound.but(artifacts=[bad, executorch]).entries()
        )
        yield self._case("wrong abi", "wrong-abi", whole, abi="x86", runtimes={"executorch": "1.30"})
        yield self._case("runtime too old", "runtime-too-old", whole, runtimes={"onnxruntime": "1.9.10"})
        yield self._case("runtime missing", "runtime-missing", whole, runtimes={"litert": "2.1"})
        yield self._case("another product", "incompatible", whole, compatible="voices")
        yield self._case("downgrade", "downgrade", whole, installed=6)
        yield self._case("expired", "expired", whole, now=EXPIRES)
        yield self._case("expired root", "root-expired", whole, now="2099-01-01T00:00:00Z")
        yield self._case("absurd size", "too-large", self._absurd().entries())
        yield self._case("another size", "file-size", self._resized().entries())
        for path in ("../model.onnx", "/etc/passwd", "a/../../b", "C:\\model", "a//b", "", "a\u0000b", "./x"):
            name = f"path {path.encode().hex() or 'empty'}"
            yield self._case(name, "path-outside", sound.with_file(path, b"hostile").entries())
        yield self._case("an extra file", "file-extra", {**whole, "files/readme.txt": b"hello"})
        yield self._case("an extra root", "root-malformed", {**whole, "roots/3.json": b"{}"})
        yield self._case("a root that nobody reads", "file-extra", {**whole, "roots/99.json": b"{}"})
        rotten = {**whole, "roots/2.json": b"{}"}
        yield self._case("a rotten root", "file-digest", rotten, root=str(self.keys.roots[-1]))
        yield self._case("without its root", "key-unknown", {n: s for n, s in whole.items() if n != "roots/2.json"})
        newest = str(self.keys.roots[-1])
        unrooted = {n: s for n, s in whole.items() if n != "roots/2.json"}
        yield self._case("without the root it names", "file-missing", unrooted, root=newest)
        yield from self._malformed()
        yield self._case("a skipped root", "root-version", {**whole, "roots/3.json": whole["roots/2.json"]})
        missing = {name: source for name, source in whole.items() if name != sorted(sound.files)[0]}
        yield self._case("a missing file", "file-missing", missing)
        for name in (MANIFEST, ENVELOPE):
            yield self._case(f"without {name}", "file-missing", {n: s for n, s in whole.items() if n != name})
        older = Sound.make(self.keys, version=4).entries()
        yield self._case("two versions mixed", "manifest-differs", {**whole, MANIFEST: older[MANIFEST]})
        yield from self._by_others()
        yield from self._broken_trees()

    def _malformed(self) -> Iterator[Case]:
        """Well signed, and not what a manifest is."""
        sound = self.sound
        onnx, executorch = sound.manifest["artifacts"]
        golden = sound.manifest["golden"]
        changes: dict[str, dict[str, Any]] = {
            "licences that are no list": {"licences": {}},
            "artifacts that are no list": {"artifacts": {}},
            "no count of samples": {"golden": {**golden, "samples": None}},
            "an entry elsewhere": {"artifacts": [{**onnx, "entry": "../../evil.onnx"}, executorch]},
            "an entry that is no file": {"artifacts": [{**onnx, "entry": "mode"}, executorch]},
            "a path twice": {"artifacts": [{**onnx, "files": onnx["files"] * 2}, executorch]},
            "a limit that is no number": {"artifacts": [{**onnx, "min_sqnr_db": "30"}, executorch]},
            "a number that is too long": {"more": 10**70},
            "digits of another script": {"expires_at": "٢٠٢٧-11-30T00:00:00Z"},
            "a schema of many digits": {"schema": "edgeship-bundle/" + "9" * 20},
        }
        nested: Any = []
        for _ in range(80):
            nested = [nested]
        changes["nested too deep"] = {"more": nested}
        for name, change in changes.items():
            yield self._case(name, "manifest-malformed", sound.but(**change).entries())
        long = {**onnx["runtime"], "minimum_version": "1." + "2" * 20}
        name = "a version of many digits"
        yield self._case(name, "manifest-malformed", sound.but(artifacts=[{**onnx, "runtime": long}]).entries())
        inside = sound.but()
        inside.manifest["licences"].append({**inside.manifest["licences"][0], "path": "licences/MIT.txt/more"})
        yield self._case("a file within a file", "manifest-malformed", inside.entries())
        fine = sound.but(more="a\ttab").entries()
        tabbed = _bytes(fine[MANIFEST]).replace(b"a\\ttab", b"a\ttab")
        fine |= {MANIFEST: tabbed, ENVELOPE: keys.signed(tabbed, MANIFEST_TYPE, self.keys.signer("bundle"))}
        yield self._case("a tab within a text", "fine", fine)

    def _absurd(self) -> Sound:
        files = [{**file, "size_bytes": 2**50} for file in self.sound.manifest["files"]]
        return self.sound.but(files=files)

    def _resized(self) -> Sound:
        files = [{**file, "size_bytes": file["size_bytes"] + 1} for file in self.sound.manifest["files"]]
        return self.sound.but(files=files)

    def _by_others(self) -> Iterator[Case]:
        """Signed well, by whom the root does not name."""
        payload = _bytes(self.sound.entries()[MANIFEST])
        stranger = ring(self.folder / "stranger")
        [revoked] = self.keys.root.revoked
        signers = {
            "revoked": (self.keys.signer_of(revoked), "key-revoked"),
            "unknown": (stranger.signer("bundle"), "key-unknown"),
        }
        for name, (signer, reason) in signers.items():
            envelope = keys.signed(payload, MANIFEST_TYPE, signer)
            yield self._case(f"{name} key", reason, {**self.sound.entries(), ENVELOPE: envelope})
        envelope = keys.signed(payload, MANIFEST_TYPE, self.keys.signer("bundle"), stranger.signer("bundle"))
        yield self._case("a stranger beside", "key-unknown", {**self.sound.entries(), ENVELOPE: envelope})
        envelope = keys.signed(payload, "text/plain", self.keys.signer("bundle"))
        yield self._case("another type", "payload-type", {**self.sound.entries(), ENVELOPE: envelope})
        takeover = {**self.sound.entries(), "roots/2.json": stranger.roots[0].read_bytes()}
        yield self._case("a stranger's root", "root-signature", takeover)
        keys.rotate(stranger, "root")
        takeover["roots/2.json"] = stranger.roots[1].read_bytes()
        yield self._case("a stranger's next root", "root-signature", takeover)

    def _broken_trees(self) -> Iterator[Case]:
        whole = self.sound.entries()
        folder = self.sound.write(self.folder / "with-a-link")
        file = folder / sorted(self.sound.files)[0]
        (self.folder / "elsewhere").write_bytes(file.read_bytes())
        file.unlink()
        file.symlink_to(self.folder / "elsewhere")
        yield self._case("a link", "link", folder)
        for name, reason, change in _ZIPS:
            path = self.folder / f"{name.replace(' ', '-')}.zip"
            with zipfile.ZipFile(path, "w") as archive:
                for inside, source in sorted(whole.items()):
                    archive.writestr(zipfile.ZipInfo(inside), _bytes(source))
                change(archive, whole)
            yield self._case(f"zip {name}", reason, path)
        yield from self._patched_zips(whole)
        cut = self.folder / "cut.zip"
        cut.write_bytes((self.folder / "fine-zip.zip").read_bytes()[:-200])
        yield self._case("zip cut short", "unreadable", cut)
        nothing = self.folder / "nothing.zip"
        nothing.write_bytes(b"")
        yield self._case("an empty file", "unreadable", nothing)
        yield self._case("no file", "unreadable", self.folder / "is-not-there.zip")

    def _patched_zips(self, whole: Entries) -> Iterator[Case]:
        """Bytes of a sound zip file changed, where it may not matter to one reader."""
        sound = (self.folder / "fine-zip.zip").read_bytes()
        name = sorted(self.sound.files)[0]
        content = _bytes(whole[name])
        directory, end = sound.index(b"PK\x01\x02"), sound.index(b"PK\x05\x06")
        manifest = _bytes(whole[MANIFEST])
        patches: dict[str, tuple[str, bytes]] = {
            "a file": ("file-digest", sound.replace(content, _flipped(content, name), 1)),
            "the manifest": ("manifest-differs", sound.replace(manifest, _flipped(manifest, MANIFEST), 1)),
            "a local name": ("unreadable", sound.replace(name.encode(), b"X" + name.encode()[1:], 1)),
            "a flag": ("unreadable", _set(sound, directory + 8, b"\x20\x00")),
            "a checksum": ("unreadable", _set(sound, directory + 16, b"\x00\x00\x00\x00")),
            "a size": ("unreadable", _set(sound, directory + 24, b"\xff\xff\xff\x00")),
            "a length of a name": ("unreadable", _set(sound, directory + 28, b"\xff\xff")),
            "a count": ("unreadable", _set(sound, end + 10, b"\x01\x00")),
            "bytes before it": ("unreadable", b"#!/bin/sh\n" + sound),
            "bytes behind it": ("unreadable", sound + b"\x00"),
        }
        for patch, (reason, data) in patches.items():
            path = self.folder / f"patched-{patch.replace(' ', '-')}.zip"
            path.write_bytes(data)
            yield self._case(f"zip patched: {patch}", reason, path)


def _set(data: bytes, place: int, changed: bytes) -> bytes:
    return data[:place] + changed + data[place + len(changed) :]


def _link(archive: zipfile.ZipFile, whole: Entries) -> None:
    entry = zipfile.ZipInfo("files/link")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(entry, "/etc/passwd")


def _named(name: str) -> Callable[[zipfile.ZipFile, Entries], None]:
    return lambda archive, whole: archive.writestr(zipfile.ZipInfo(name), b"hostile")


def _compressed(archive: zipfile.ZipFile, whole: Entries) -> None:
    archive.writestr(zipfile.ZipInfo("files/bomb"), b"0" * 4096, zipfile.ZIP_DEFLATED)


_ZIPS: tuple[tuple[str, str, Callable[[zipfile.ZipFile, Entries], None]], ...] = (
    ("with a link", "link", _link),
    ("with a duplicate", "duplicate-entry", _named(MANIFEST)),
    ("with a way out", "path-outside", _named("../files/x")),
    ("with an absolute path", "path-outside", _named("/files/x")),
    ("with a backslash", "path-outside", _named("files\\..\\x")),
    ("with a compressed entry", "compressed", _compressed),
    ("with an extra entry", "file-extra", _named("files/x")),
)


def _flipped(data: bytes, name: str) -> bytes:
    """Another byte in the middle; within base64 a letter for a letter, within JSON a letter of a word."""
    if name == ENVELOPE or name.startswith("roots/"):
        place = data.index(b'"payload":"') + 40  # in the first letters of what was signed
        return data[:place] + (b"A" if data[place : place + 1] != b"A" else b"B") + data[place + 1 :]
    place = len(data) // 2
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


def _fields_changed(value: Any) -> Iterator[Any]:
    """The manifest with one leaf changed, for each leaf; and with one key left out, for each key."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield {name: other for name, other in value.items() if name != key}
            yield from ({**value, key: changed} for changed in _fields_changed(inner))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], changed, *value[index + 1 :]] for changed in _fields_changed(inner))
    elif isinstance(value, str):
        yield value + "x"
    else:
        yield value + 1


def _edited(envelope: bytes, **changes: Any) -> bytes:
    return _written({**json.loads(envelope), **changes})


def _written(about: Any) -> bytes:
    return json.dumps(about, sort_keys=True, separators=(",", ":")).encode()


def _signature(**changes: str) -> Callable[[bytes], bytes]:
    def change(envelope: bytes) -> bytes:
        about = json.loads(envelope)
        about["signatures"][0] |= changes
        return _written(about)

    return change


def _twisted(envelope: bytes) -> bytes:
    about = json.loads(envelope)
    sig = bytearray(base64.b64decode(about["signatures"][0]["sig"]))
    sig[40] ^= 1
    about["signatures"][0]["sig"] = base64.b64encode(bytes(sig)).decode()
    return _written(about)


def _loose_bits(envelope: bytes) -> bytes:
    """Base64 whose last letter holds bits that decode to nothing: the same signature in other bytes."""
    about = json.loads(envelope)
    sig = about["signatures"][0]["sig"]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    about["signatures"][0]["sig"] = f"{sig[:-3]}{alphabet[alphabet.index(sig[-3]) + 1]}=="
    return _written(about)


_SIGNATURE_CHANGES: tuple[tuple[str, str, Callable[[bytes], bytes]], ...] = (
    ("key id", "key-unknown", _signature(keyid="0" * 64)),
    ("signature", "signature", _twisted),
    ("short signature", "signature", _signature(sig=base64.b64encode(b"short").decode())),
    ("loose bits", "envelope-malformed", _loose_bits),
    ("white space", "envelope-malformed", lambda data: data + b"\n"),
    ("order of keys", "envelope-malformed", lambda data: json.dumps(json.loads(data)).encode()),
    ("a word more", "envelope-malformed", lambda data: _edited(data, more="x")),
    ("no signature", "too-few-signatures", lambda data: _edited(data, signatures=[])),
    ("type", "payload-type", lambda data: _edited(data, payloadType="text/plain")),
    ("not JSON", "envelope-malformed", lambda data: b"{" + data),
    ("not text", "envelope-malformed", lambda data: b"\xff" + data),
    ("no payload", "envelope-malformed", lambda data: _written({"payloadType": "x", "signatures": []})),
    ("the same twice", "envelope-malformed", lambda data: _edited(data, signatures=json.loads(data)["signatures"] * 2)),
)


def _bytes(source: Source) -> bytes:
    return source if isinstance(source, bytes) else source.read_bytes()
