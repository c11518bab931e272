"""Calibration of a classifier: is it right 80 % of the times it says 0.8?

Expected calibration error over M bins of equal width of the top-class probability, closed
on the right, with n examples in all (Guo et al. 2017, arXiv:1706.04599, section 2):

    ECE = sum_m |B_m|/n * |accuracy(B_m) - confidence(B_m)|        in [0, 1]

NumPy in float64: in float32, confidences that sit on an edge change bin.
"""

from typing import NamedTuple

import numpy as np


class Bins(NamedTuple):
    """Per-bin sums over the examples; each field is [M] float64."""

    count: np.ndarray  # examples in the bin
    confidence: np.ndarray  # summed top-class probability
    correct: np.ndarray  # examples whose top class is the label


def bin_by_confidence(confidence, correct, *, num_bins: int = 15) -> Bins:
    """Sorts examples into bins (m/M, (m+1)/M]; confidence 0 goes into the first.

    Args:
        confidence: [n] top-class probabilities.
        correct: [n] 1 where the top class is the label, else 0.
        num_bins: M; the error depends on it, so report it with the result.
    """
    confidence = np.asarray(confidence, np.float64)
    inner_edges = np.linspace(0, 1, num_bins + 1)[1:-1]
    index = np.searchsorted(inner_edges, confidence, side="left")

    def sums(weights):
        return np.bincount(index, weights, minlength=num_bins)

    return Bins(sums(np.ones_like(confidence)), sums(confidence), sums(correct))


def expected_calibration_error(bins: Bins) -> float:
    """ECE, a fraction in [0, 1]."""
    # |B_m| cancels against the two means, so an empty bin needs no special case.
    return float(np.abs(bins.correct - bins.confidence).sum() / bins.count.sum())
