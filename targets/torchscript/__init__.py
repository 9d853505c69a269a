"""TorchScript files and a reader of torch's own files."""
