"""What an app does around a model: pictures, sound and texts to inputs, answers to labels; numpy alone."""

from .image_input import ImageInput
from .picture import Picture
from .scores import softmax, top_k
from .wordpiece import Encoded, WordPiece

__all__ = ["Encoded", "ImageInput", "Picture", "WordPiece", "softmax", "top_k"]
