"""DSSE envelopes: bytes with the signatures over them (github.com/secure-systems-lab/dsse, protocol v1.0.2).

An envelope has one written form, as `encode` writes it, and no other is taken: no byte of it can change unseen.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass

from .document import parse
from .refusal import Refused

PLAIN = re.compile(r"[ !#-\[\]-~]*")
"""What JSON writers of every language write alike: printable ASCII without quotes and backslashes."""


@dataclass(frozen=True)
class Envelope:
    """`signatures` are pairs of a key's id and its Ed25519 signature over `pae`."""

    payload: bytes
    payload_type: str
    signatures: tuple[tuple[str, bytes], ...]

    @property
    def pae(self) -> bytes:
        """The bytes that are signed: DSSE's pre-authentication encoding."""
        kind = self.payload_type.encode()
        return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(self.payload), self.payload)


def encode(envelope: Envelope) -> bytes:
    """The one written form: keys sorted, signatures by their keys, no white space, ASCII, standard base64."""
    about = {
        "payload": base64.b64encode(envelope.payload).decode(),
        "payloadType": envelope.payload_type,
        "signatures": [{"keyid": key, "sig": base64.b64encode(sig).decode()} for key, sig in envelope.signatures],
    }
    return json.dumps(about, sort_keys=True, separators=(",", ":")).encode()


def decode(data: bytes) -> Envelope:
    """Read what `encode` wrote; Refused: envelope-malformed."""
    try:
        about = parse(data)
        signatures = tuple((str(one["keyid"]), base64.b64decode(one["sig"])) for one in about["signatures"])
        envelope = Envelope(base64.b64decode(about["payload"]), str(about["payloadType"]), signatures)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("envelope-malformed") from error
    names = [key for key, _ in signatures]
    plain = all(PLAIN.fullmatch(text) for text in (envelope.payload_type, *names))
    if encode(envelope) != data or names != sorted(set(names)) or not plain:
        raise Refused("envelope-malformed")
    return envelope
