"""The portable PT2E quantizer and what belongs to it; upstream.py holds torchao's private APIs."""
