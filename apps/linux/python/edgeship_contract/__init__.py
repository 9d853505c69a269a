"""What an app does around a model: pictures, sound and texts to inputs, answers to labels; numpy alone."""

from .artifact import Artifact, ChangedError, Verified, sqnr_db
from .audio_input import AudioInput
from .engines import Array, Model
from .image_input import ImageInput
from .picture import Picture
from .scores import softmax, top_k
from .wordpiece import Encoded, WordPiece

__all__ = [
    "Array",
    "Artifact",
    "AudioInput",
    "ChangedError",
    "Encoded",
    "ImageInput",
    "Model",
    "Picture",
    "Verified",
    "WordPiece",
    "softmax",
    "sqnr_db",
    "top_k",
]
