"""Recipes to artifacts: each unique program once, then each target over it, kept in a store."""
