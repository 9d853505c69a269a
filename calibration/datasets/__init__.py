"""Sources of representative samples; each reads one kind of data and checks it against the model's inputs."""

from calibration.datasets.arrays import Arrays
from calibration.datasets.conform import conform
from calibration.datasets.function import Python
from calibration.datasets.huggingface import HuggingFace
from calibration.datasets.images import ImageFolder
from calibration.datasets.indexed import IndexedDataset
from calibration.datasets.synthetic import Synthetic
from calibration.datasets.text import Text

__all__ = [
    "Arrays",
    "HuggingFace",
    "ImageFolder",
    "IndexedDataset",
    "Python",
    "Synthetic",
    "Text",
    "conform",
]
