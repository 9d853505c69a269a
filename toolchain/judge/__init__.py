"""Whether a file computes what its program and the float model compute."""
