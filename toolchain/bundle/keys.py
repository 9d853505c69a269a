"""The keys that sign bundles and roots, in a folder of the user's that nobody else can read.

As in The Update Framework a root names the keys; a new root is signed by the one before it and by itself.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgeship.apps.board.envelope import Envelope, encode
from edgeship.apps.board.refusal import Refused
from edgeship.apps.board.trust import ROOT_SCHEMA, ROOT_TYPE, Root, anchor
from edgeship.toolchain.errors import EdgeshipError, RecipeError, missing_extra

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

RoleName = Literal["root", "bundle"]
ROLES: tuple[RoleName, ...] = ("root", "bundle")
ROOT_DAYS = 3 * 365


@dataclass(frozen=True)
class Keys:
    """A folder with <key id>.pem (PKCS #8, not encrypted) and roots/N.json, every root since the first.

    The newest root says which keys are in use: a rotation is done when its root is there, and not before.
    """

    folder: Path

    def signer(self, role: RoleName) -> CryptoSigner:
        """Whoever signs for a role; EdgeshipError when the key cannot be read."""
        return self.signer_of(next(iter(getattr(self.root, role).keys)))

    def signer_of(self, key: str) -> CryptoSigner:
        """Whoever has the key of this id, in use or not."""
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from securesystemslib.signer import CryptoSigner

        file = self.folder / f"{key}.pem"
        try:
            return CryptoSigner(load_pem_private_key(file.read_bytes(), None))
        except (OSError, ValueError, TypeError) as error:
            raise EdgeshipError(
                f"{file}: not a private key that can be read ({error})", "bring the key back"
            ) from error

    @property
    def roots(self) -> list[Path]:
        """From the first to the newest."""
        found = [file for file in self.folder.glob("roots/*.json") if file.stem.isdecimal()]
        return sorted(found, key=lambda file: int(file.stem))

    @property
    def root(self) -> Root:
        """The newest."""
        try:
            return anchor(self.roots[-1].read_bytes())
        except (Refused, IndexError) as error:
            place = f"{self.folder}/roots"
            raise EdgeshipError(f"{place}: not a root that can be read ({error})", "bring it back") from error


def default_folder() -> Path:
    """$EDGESHIP_KEYS, else a folder of the platform's for configuration."""
    if folder := os.environ.get("EDGESHIP_KEYS"):
        return Path(folder)
    import platformdirs

    return Path(platformdirs.user_config_dir("edgeship")) / "keys"


def opened(folder: Path) -> tuple[Keys, bool]:
    """The keys of a folder, and whether they were made now: where there are none, new ones are."""
    check_installed()
    keys = Keys(folder)
    if keys.roots:
        return keys, False
    if any(file.suffix != ".pem" for file in folder.glob("*") if file.name != "roots"):
        raise RecipeError(f"{folder}: is not a folder of keys", "name an empty one, or one that edgeship made")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _add_root(keys, None, {role: _new_key(keys) for role in ROLES})
    return keys, True


def rotate(keys: Keys, role: RoleName) -> Root:
    """A new key for a role, and a root that names it and revokes the one before; the root before vouches for it."""
    _add_root(keys, keys.root, {each: keys.signer(each) for each in ROLES} | {role: _new_key(keys)})
    return keys.root


def expiry(days: int) -> str:
    """The midnight after so many days, as bundles and roots write times."""
    return f"{datetime.now(UTC) + timedelta(days=days):%Y-%m-%dT00:00:00Z}"


def signed(payload: bytes, kind: str, *signers: CryptoSigner) -> bytes:
    """An envelope of the payload, in its one written form."""
    from securesystemslib.dsse import Envelope as Signing

    signing = Signing(payload, kind, {})
    for signer in signers:
        signing.sign(signer)
    signatures = tuple((key, bytes.fromhex(one.signature)) for key, one in sorted(signing.signatures.items()))
    return encode(Envelope(payload, kind, signatures))


def _add_root(keys: Keys, before: Root | None, signers: dict[RoleName, CryptoSigner]) -> None:
    """Name these signers in the next root; what the root before named and this does not is revoked."""
    named = {signer.public_key.keyid: signer.public_key.to_dict() for signer in signers.values()}
    known = {*before.root.keys, *before.bundle.keys, *before.revoked} if before else set()
    about: dict[str, Any] = {
        "schema": ROOT_SCHEMA,
        "version": before.version + 1 if before else 1,
        "expires_at": expiry(ROOT_DAYS),
        "keys": named,
        "roles": {role: {"keyids": [signer.public_key.keyid], "threshold": 1} for role, signer in signers.items()},
        "revoked": sorted(known - named.keys()),
    }
    vouching = {signers["root"].public_key.keyid: signers["root"]}
    if before:
        vouching |= {key: keys.signer_of(key) for key in before.root.keys}
    data = signed(json.dumps(about, sort_keys=True, indent=1).encode(), ROOT_TYPE, *vouching.values())
    (keys.folder / "roots").mkdir(exist_ok=True)
    partial = keys.folder / "roots" / "next.partial"
    with partial.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    partial.rename(keys.folder / "roots" / f"{about['version']}.json")


def _new_key(keys: Keys) -> CryptoSigner:
    from securesystemslib.signer import CryptoSigner

    signer = CryptoSigner.generate_ed25519()
    file = keys.folder / f"{signer.public_key.keyid}.pem"
    with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:  # noqa: PTH123
        stream.write(signer.private_bytes)
        stream.flush()
        os.fsync(stream.fileno())
    return signer


def check_installed() -> None:
    """MissingError where what signs and verifies is not installed."""
    from importlib.util import find_spec

    for package in ("cryptography", "securesystemslib"):
        if find_spec(package) is None:
            raise missing_extra("bundle", package)
