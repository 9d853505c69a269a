"""Core ML packages for Apple devices, and a reference evaluation of them for hosts without Core ML."""
