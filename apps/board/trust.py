"""Who may sign: a root that names keys and thresholds and can be replaced, as The Update Framework has it.

Every signature in a bundle must be a named key's and must fit. The root that a device ships with is trusted because it
is there; it may also bear signatures of the root before it, which nobody can check any more.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from .document import MOST_NUMBER, parse
from .envelope import Envelope, decode
from .refusal import Refused

ROOT_TYPE = "application/vnd.edgeship.root+json"
ROOT_SCHEMA = "edgeship-root/1"
TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
PUBLIC = re.compile(r"[0-9a-f]{64}")
"""Times of this form, in UTC, are earlier where they sort earlier."""


@dataclass(frozen=True)
class Role:
    """Keys by their ids, 32 bytes each, and how many of them must sign."""

    keys: Mapping[str, bytes]
    threshold: int


@dataclass(frozen=True)
class Root:
    """Who signs roots and who signs bundles."""

    version: int
    expires_at: str
    root: Role
    bundle: Role
    revoked: frozenset[str]
    data: bytes
    """Its envelope: what a device keeps to start from the next time."""


def anchor(data: bytes) -> Root:
    """The root that an app or a board ships with; Refused: root-malformed, root-signature."""
    envelope = _root_envelope(data)
    root = _parse(envelope.payload, data)
    _check_enough(envelope, root)
    return root


def newest(root: Root, read: Callable[[str], bytes | None], now: str) -> Root:
    """The root at the end of the chain in roots/, as `read` gives its files, None for one that is not there.

    Refused: root-malformed, -signature, -version or -expired.
    """
    while (data := read(name := f"roots/{root.version + 1}.json")) is not None:
        envelope = _root_envelope(data)
        _check_enough(envelope, root)  # before anything in it is read
        following = _parse(envelope.payload, data)
        if following.version != root.version + 1:
            raise Refused("root-version", name)
        _check_enough(envelope, following)
        _check_each(envelope, root, following)
        root = following
    if root.expires_at <= now:
        raise Refused("root-expired", f"version {root.version}, {root.expires_at}")
    return root


def check(envelope: Envelope, role: Role, revoked: frozenset[str] = frozenset()) -> None:
    """That the role's keys signed, enough of them and none else; Refused: key-revoked, key-unknown, signature,
    too-few-signatures.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key, signature in envelope.signatures:
        if key in revoked:
            raise Refused("key-revoked", key)
        if key not in role.keys:
            raise Refused("key-unknown", key)
        try:
            Ed25519PublicKey.from_public_bytes(role.keys[key]).verify(signature, envelope.pae)
        except (InvalidSignature, ValueError) as error:
            raise Refused("signature", key) from error
    if len({key for key, _ in envelope.signatures}) < role.threshold:
        raise Refused("too-few-signatures", f"{role.threshold} are asked for")


def _root_envelope(data: bytes) -> Envelope:
    try:
        envelope = decode(data)
    except Refused as error:
        raise Refused("root-malformed") from error
    if envelope.payload_type != ROOT_TYPE:
        raise Refused("root-malformed")
    return envelope


def _check_enough(envelope: Envelope, root: Root) -> None:
    """That enough of this root's keys signed another root; others may have signed it, too."""
    theirs = tuple(pair for pair in envelope.signatures if pair[0] in root.root.keys)
    _check_root(Envelope(envelope.payload, envelope.payload_type, theirs), root.root)


def _check_each(envelope: Envelope, *roots: Root) -> None:
    """That nobody but these roots' keys signed."""
    _check_root(envelope, Role({key: public for root in roots for key, public in root.root.keys.items()}, 0))


def _check_root(envelope: Envelope, role: Role) -> None:
    try:
        check(envelope, role)
    except Refused as error:
        raise Refused("root-signature", error.place) from error


def _parse(payload: bytes, data: bytes) -> Root:
    try:
        about = parse(payload)
        keys = {name: _public(key) for name, key in about["keys"].items()}
        roles = {name: _role(about["roles"][name], keys) for name in ("root", "bundle")}
        revoked = frozenset(_names(about["revoked"]))
        root = Root(about["version"], about["expires_at"], roles["root"], roles["bundle"], revoked, data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused("root-malformed") from error
    sound = (
        about.get("schema") == ROOT_SCHEMA
        and is_version(root.version)
        and is_time(root.expires_at)
        # one key under two names would count twice (CVE-2020-6174)
        and len(set(keys.values())) == len(keys)
    )
    if not sound:
        raise Refused("root-malformed")
    return root


def _public(key: Mapping[str, Any]) -> bytes:
    text = key["keyval"]["public"]
    if not key["keytype"] == key["scheme"] == "ed25519" or not PUBLIC.fullmatch(text):
        raise ValueError("not an Ed25519 key")
    return bytes.fromhex(text)


def _role(about: Mapping[str, object], keys: Mapping[str, bytes]) -> Role:
    threshold = about["threshold"]
    if not is_version(threshold):
        raise ValueError("not a threshold")
    return Role({name: keys[name] for name in _names(about["keyids"])}, cast(int, threshold))


def _names(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("not a list of names")
    return value


def now() -> str:
    """This machine's clock, as bundles write times."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def is_version(value: object) -> bool:
    """Whether this is a whole number from 1 up that JSON keeps."""
    return type(value) is int and 1 <= value <= MOST_NUMBER


def is_time(value: object) -> bool:
    """Whether this is a time as bundles have them."""
    return isinstance(value, str) and TIME.fullmatch(value) is not None
