"""Recipes: TOML, tables or arguments to checked plans, without torch."""
