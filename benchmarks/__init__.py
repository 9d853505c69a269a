"""The published figures: every script writes results/NAME.json, from which the tables are made."""
