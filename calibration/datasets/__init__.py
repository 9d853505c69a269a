"""Sources of representative samples; each reads one kind of data and checks it against the model's inputs."""

from edgeship.calibration.datasets.arrays import Arrays
from edgeship.calibration.datasets.conform import conform
from edgeship.calibration.datasets.function import Python
from edgeship.calibration.datasets.huggingface import HuggingFace
from edgeship.calibration.datasets.images import ImageFolder
from edgeship.calibration.datasets.indexed import IndexedDataset
from edgeship.calibration.datasets.synthetic import Synthetic
from edgeship.calibration.datasets.text import Text

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
