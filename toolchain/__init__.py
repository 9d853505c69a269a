"""edgeship: quantize a PyTorch model once, ship it to every edge runtime."""

__version__ = "0.1.0"
