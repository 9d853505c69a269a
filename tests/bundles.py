"""Small bundles signed with keys of the test's own, and a way to sign whatever a test wants signed."""

from __future__ import annotations

import copy
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeship.apps.board.verify import ENVELOPE, MANIFEST, MANIFEST_TYPE
from edgeship.toolchain.archive import Source
from edgeship.toolchain.bundle import contents, keys
from edgeship.toolchain.bundle.contents import Contents
from edgeship.toolchain.bundle.keys import Keys

NOW = "2026-11-30T12:00:00Z"
EXPIRES = "2027-11-30T00:00:00Z"


def manifest_of(files: Contents, version: int = 5) -> dict[str, Any]:
    """A manifest of two artifacts, golden samples and a licence, as the toolchain writes them."""
    model, other = files.add("model.onnx", b"an ONNX file"), files.add("model.pte", b"an ExecuTorch file")
    golden, licence = files.add("golden/inputs/0.bin", b"\x00\x00\x80\x3f"), files.add("licences/MIT.txt", b"MIT")
    tensor = {"name": "x", "dtype": "float32", "shape": [1]}
    numbers = {"dtype": "float32", "shape": [1, 1], "sha256": golden.sha256}

    def artifact(name: str, runtime: str, file: Any, abis: list[str]) -> dict[str, Any]:
        return {
            "name": name, "variant": "int8", "format": runtime, "spec": "w8a8-static", "entry": file.path,
            "files": [file.model_dump()], "abis": abis, "inputs": [tensor], "outputs": [tensor], "size_bytes": 12,
            "runtime": {"name": runtime, "minimum_version": "1.23", "options": {}, "backends": [{"name": "cpu"}]},
            "min_sqnr_db": 30.5, "metric": {"top1": 0.99}, "figures": [], "notes": [],
        }  # fmt: skip

    return {
        "schema": "edgeship-bundle/1", "name": "digits", "version": version, "compatible": "digits",
        "created_at": NOW, "expires_at": EXPIRES, "contract": {"inputs": {}, "labels": ["a", "ü"], "ranges": {}},
        "artifacts": [
            artifact("int8-onnx", "onnxruntime", model, []),
            artifact("int8-executorch", "executorch", other, ["arm64-v8a"]),
        ],
        "golden": {"samples": 1, "inputs": {"x": numbers}, "outputs": {}, "model": {}, "files": [golden.model_dump()]},
        "licences": [licence.model_dump()], "files": [stored.model_dump() for stored in files.files],
        "edgeship": "0.1.0",
    }  # fmt: skip


@dataclass
class Sound:
    """A bundle as it should be: its keys, its manifest and its files, ready to be spoiled."""

    keys: Keys
    manifest: dict[str, Any]
    files: dict[str, Source]

    @classmethod
    def make(cls, ring: Keys, version: int = 5) -> Sound:
        """One that verifies."""
        files = Contents()
        manifest = manifest_of(files, version)
        return cls(ring, manifest, {f"files/{sha256}": source for sha256, source in files.stored.items()})

    def but(self, **changes: Any) -> Sound:
        """With other values in its manifest."""
        return Sound(self.keys, {**copy.deepcopy(self.manifest), **changes}, dict(self.files))

    def with_file(self, path: str, content: bytes) -> Sound:
        """With one more licence, signed like all others."""
        other = self.but()
        sha256 = hashlib.sha256(content).hexdigest()
        other.manifest["licences"].append({"path": path, "sha256": sha256})
        if f"files/{sha256}" not in other.files:
            other.manifest["files"].append({"sha256": sha256, "size_bytes": len(content)})
        other.files[f"files/{sha256}"] = content
        return other

    def entries(self) -> dict[str, Source]:
        """By name, signed."""
        roots = {f"roots/{file.name}": file.read_bytes() for file in self.keys.roots[1:]}
        named = [{"path": name, "sha256": hashlib.sha256(data).hexdigest()} for name, data in roots.items()]
        payload = json.dumps({"roots": named, **self.manifest}, indent=1, ensure_ascii=False).encode()
        signature = keys.signed(payload, MANIFEST_TYPE, self.keys.signer("bundle"))
        return {MANIFEST: payload, ENVELOPE: signature, **roots, **self.files}

    def write(self, out: Path) -> Path:
        """As a folder, or a .zip file."""
        contents.write(out, self.entries())
        return out


def ring(folder: Path, rotations: int = 0) -> Keys:
    """New keys, the bundle's replaced so many times."""
    found, _ = keys.opened(folder)
    for _ in range(rotations):
        keys.rotate(found, "bundle")
    return found
