"""ARM cores that nobody has at hand: user-mode qemu counts what the kernels chosen for them execute."""
