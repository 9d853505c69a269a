"""Browsers on this host: their own runtimes, in pages that edgeship serves."""
