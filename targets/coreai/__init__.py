"""Core AI assets (.aimodel) for Apple devices."""
