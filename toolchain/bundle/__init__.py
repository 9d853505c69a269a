"""Bundles: what of a run goes into an app, with who vouches for it."""
