"""Retrieval among the evaluated sentences: questions look for answers, and answers for questions.

Labels are line numbers of retrieval.jsonl: lines 2k and 2k + 1 are a question and its answer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Outputs = dict[str, NDArray[np.float32]]
Labels = NDArray[np.int64]


def agreement(outputs: Outputs, labels: Labels, reference: Outputs) -> NDArray[np.bool_]:
    """Whether a sentence's best match is the same by the artifact's embeddings as by the float model's."""
    return _best_match(outputs, labels) == _best_match(reference, labels)


def finds_its_partner(outputs: Outputs, labels: Labels, reference: Outputs) -> NDArray[np.bool_]:
    """Whether a question's best match is its answer, and an answer's its question."""
    return labels[_best_match(outputs, labels)] // 2 == labels // 2


def _best_match(outputs: Outputs, labels: Labels) -> NDArray[np.int64]:
    embeddings = outputs["embedding"].reshape(len(labels), -1).astype(np.float64)
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    embeddings = np.divide(embeddings, length, out=np.zeros_like(embeddings), where=length > 0)
    similarity = np.nan_to_num(embeddings @ embeddings.T, nan=-1.0)
    same_kind = labels[:, None] % 2 == labels % 2
    return np.where(same_kind, -2.0, similarity).argmax(1)
