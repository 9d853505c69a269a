"""Why a bundle is refused: one word per reason, the same in every language that reads bundles (docs/bundles.md)."""

from __future__ import annotations

REASONS = {
    "unreadable": "it is neither a folder nor a whole zip file",
    "path-outside": "a name in it leads out of it, or is not plain",
    "link": "it holds a link or a special file",
    "duplicate-entry": "two of its entries have one name",
    "compressed": "an entry is compressed or encrypted; a bundle's entries are stored",
    "too-large": "it is larger than a bundle may be",
    "file-missing": "a file is missing",
    "root-malformed": "the root of trust cannot be read",
    "root-signature": "a root is not signed as the one before it asks",
    "root-version": "a root does not follow the one before it",
    "root-expired": "the newest root has expired",
    "envelope-malformed": "what holds the signatures cannot be read, or is not written in its one form",
    "payload-type": "what was signed is not a bundle's manifest",
    "key-revoked": "signed with a key that was revoked",
    "key-unknown": "signed with a key that the root does not name",
    "signature": "a signature does not fit: bytes were changed after signing",
    "too-few-signatures": "fewer keys signed than the root asks for",
    "manifest-differs": "manifest.json is not the one that was signed: two versions are mixed",
    "manifest-malformed": "the manifest does not say what it must",
    "schema-too-new": "the manifest's schema is newer than this program",
    "incompatible": "it is made for another product",
    "expired": "it has expired",
    "downgrade": "a newer version is installed",
    "file-extra": "it holds a file that the manifest does not name",
    "file-size": "a file has another size than the manifest says",
    "file-digest": "a file has another digest than the manifest says",
    "runtime-missing": "no artifact is for a runtime of this device",
    "runtime-too-old": "the device's runtime is older than an artifact needs",
    "wrong-abi": "no artifact is for this device's ABI",
}
"""The files' names come first, then who signed, the manifest, its files, and the device; one reason is given."""


class Refused(Exception):
    """A bundle must not be used: `reason` is one of REASONS, `place` what in it is meant."""

    def __init__(self, reason: str, place: str = "") -> None:
        super().__init__(f"{place}: {REASONS[reason]}" if place else REASONS[reason])
        self.reason = reason
        self.place = place

    def __reduce__(self) -> tuple[type[Refused], tuple[str, str]]:
        return type(self), (self.reason, self.place)
