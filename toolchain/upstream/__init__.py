"""Private APIs of upstream libraries: one version-pinned module each, with a test that fails when upstream changes."""
