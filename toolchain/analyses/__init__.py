"""One file per way to decide options of a pass by measuring."""
