"""The program of a Linux board: verifies bundles; the standard library and `cryptography` alone."""
