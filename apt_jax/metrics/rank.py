"""Do two figures rise together? Spearman's rank correlation.

Pearson's correlation of the ranks, equal values sharing the mean of theirs: 1 where one
figure rises whenever the other does, -1 where it falls, whatever the scales.
"""

import numpy as np

LEAST = 3  # pairs; two always lie on a line


def rank_correlation(x, y) -> float | None:
    """Of [N] and [N], in [-1, 1]; None of fewer than three pairs, or without any order.

    Raises:
        ValueError: if the figures do not come in pairs.
    """
    from scipy.stats import rankdata  # heavy, and few ask

    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.ndim != 1 or x.shape != y.shape:
        raise ValueError(f"expected pairs, got {x.shape} and {y.shape} figures")
    if len(x) < LEAST:
        return None
    a, b = (rankdata(one) - (len(x) + 1) / 2 for one in (x, y))
    scale = np.sqrt(np.square(a).sum() * np.square(b).sum())
    return float(a @ b / scale) if scale else None
