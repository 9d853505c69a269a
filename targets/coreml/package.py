"""Takes out of an .mlpackage what belongs to the machine and the moment that made it."""

from __future__ import annotations

import hashlib
import json
import uuid
from pathlib import Path

from edgeship.targets.coreml.upstream import read_spec

_ROOM = uuid.UUID("5d0e7c0a-6f53-4d3c-9d4c-0d9b7a5b8f10")


def clean(package: Path) -> None:
    """Drop dates, versions and debug files, and derive the manifest's random ids from contents: equal input then
    gives equal bytes."""
    (package / "executorch_debug_handle_mapping.json").unlink(missing_ok=True)
    spec = read_spec(package)
    spec.description.metadata.userDefined.clear()
    manifest = package / "Manifest.json"
    contents = json.loads(manifest.read_text())
    model = package / "Data" / contents["itemInfoEntries"][contents["rootModelIdentifier"]]["path"]
    model.write_bytes(spec.SerializeToString(deterministic=True))
    model.chmod(0o644)  # coremltools leaves it readable by its maker only
    renamed = {
        old: str(uuid.uuid5(_ROOM, entry["path"] + hashlib.sha256(model.read_bytes()).hexdigest()))
        for old, entry in contents["itemInfoEntries"].items()
    }
    contents["itemInfoEntries"] = {
        renamed[old]: entry
        for old, entry in sorted(contents["itemInfoEntries"].items(), key=lambda item: str(item[1]["path"]))
    }
    contents["rootModelIdentifier"] = renamed[contents["rootModelIdentifier"]]
    manifest.write_text(json.dumps(contents, indent=4) + "\n")
