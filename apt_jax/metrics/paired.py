"""Is one method better than another, over the same seeds? Paired differences.

Of S paired figures, d_s = a_s - b_s with mean d and standard deviation s (ddof 1), the
confidence interval of Student's t for the mean difference:

    d +- t(S-1) s / sqrt(S)

A difference is a tie when the interval holds 0, and always with one pair. The interval
is of one comparison: of twenty true ties one looks like a difference at 95 %.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from apt_jax.metrics.figures import FIGURES

LEVEL = 0.95


class Difference(NamedTuple):
    """A mean difference and the half-width of its interval."""

    mean: float
    half_width: float  # infinite with one pair

    @property
    def tie(self) -> bool:
        return abs(self.mean) <= self.half_width


def gain(figure: str, ours: float | None, theirs: float | None) -> float | None:
    """How much better ours is than theirs: above 0, be it higher or lower.

    None where one of them has no value.
    """
    if ours is None or theirs is None:
        return None
    return FIGURES[figure].better * (ours - theirs)


def paired_difference(ours, theirs) -> Difference:
    """The mean of `ours` - `theirs`, [S] figures each, and its interval.

    Raises:
        ValueError: if the figures do not come in pairs.
    """
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    if ours.ndim != 1 or ours.shape != theirs.shape or not len(ours):
        raise ValueError(f"expected pairs, got {ours.shape} and {theirs.shape} figures")
    differences, pairs = ours - theirs, len(ours)
    if pairs == 1:
        return Difference(float(differences[0]), np.inf)
    quantile = stdtrit(pairs - 1, 0.5 + LEVEL / 2)
    half_width = quantile * differences.std(ddof=1) / np.sqrt(pairs)
    return Difference(float(differences.mean()), float(half_width))
