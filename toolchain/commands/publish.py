"""`publish`: a bundle into the folder of a static site, from which boards update."""

from __future__ import annotations

from pathlib import Path

from edgeship.apps.board import trust
from edgeship.apps.board.verify import Device
from edgeship.toolchain.bundle import publish as publishing
from edgeship.toolchain.bundle.publish import Way
from edgeship.toolchain.commands import bundle as bundling


def publish(bundle: Path, site: Path, keep: int, root: Path | None) -> tuple[int, list[Way]]:
    """Add a bundle to a site; its version, and what boards fetch of it, by what they have.

    RecipeError for a folder of something else; EdgeshipError with the reason for which boards would refuse the bundle,
    or where it is older than what the site has.
    """
    publishing.check_installed()
    publishing.published(site)  # a wrong folder is told first
    verified = bundling.verify(bundle, root, Device(trust.now()))
    return verified.manifest["version"], publishing.publish(verified, site, keep)
