"""One file per family of passes."""
