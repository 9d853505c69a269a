"""ExecuTorch programs (.pte) and a reader of them."""
