"""Which names a bundle may hold, and which paths may stand beside each other."""

from __future__ import annotations

from collections.abc import Sequence


def is_plain(path: str) -> bool:
    """Whether a relative path stays where it is put, on every system: no .., root, drive or control character."""
    parts = path.split("/")
    return all(part not in ("", ".", "..") for part in parts) and not any(
        character in "\\:\x7f" or character < " " for character in path
    )


def fit_together(paths: Sequence[str]) -> bool:
    """Whether these can be files of one folder: none twice, and none a folder of another."""
    folders = {path[:place] for path in paths for place, character in enumerate(path) if character == "/"}
    return len(set(paths)) == len(paths) and not folders & set(paths)
