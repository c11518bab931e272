"""How sure a share of n examples is: Wilson's interval.

With k of n right, p = k / n and z the normal quantile of the level,

    (p + z^2 / 2n  ±  z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal
of the American Statistical Association 22 (1927) 209-212. Unlike p ± z sqrt(p (1 - p) / n)
it stays within [0, 1] and holds its level for few examples and for shares near 0 and 1.
"""

import math
import statistics

LEVEL = 0.95
Z = statistics.NormalDist().inv_cdf(0.5 + LEVEL / 2)
TOO_WIDE = 0.2  # an interval that is wider tells too little


def wilson(share: float, count: int) -> tuple[float, float]:
    """The ends of the interval of a share of `count` examples."""
    middle = share + Z**2 / (2 * count)
    half = Z * math.sqrt(share * (1 - share) / count + Z**2 / (4 * count**2))
    scale = 1 + Z**2 / count
    low, high = (middle - half) / scale, (middle + half) / scale
    return min(max(low, 0.0), share), max(min(high, 1.0), share)  # rounding apart


def images_for(width: float) -> int:
    """Examples that make the interval of any share at most `width` wide."""
    return math.ceil(Z**2 * (width**-2 - 1))
