"""Task metrics: one score per sample, higher is better.

A metric's `score(outputs, labels, reference)` gets what an artifact answered (`outputs`) and what the float model
answered (`reference`), both {output name: [n, *output shape]}, batch dimension of 1 included, and the labels of the n
samples or None. It returns [n] float64; the mean over samples is the figure in the tables, and its sampling interval
comes from the single scores. Answers that say nothing (NaN, all values equal) score 0: they never count as a hit.
"""
