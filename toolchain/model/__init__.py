"""The user's model: where it comes from, whether it is sound, and its exported program."""
