"""Analysis of variance: how far groups lie apart, against how far they spread.

Of N rows x [D] in G groups, n_g rows with mean mu_g in each, and mu the mean of all:

    SST = sum_i |x_i - mu|^2,  SSW = sum_g sum_{i in g} |x_i - mu_g|^2,  SSB = SST - SSW

    F_d       (SSB_d / (G-1)) / (SSW_d / (N-G)) in dimension d alone
    pseudo-F  the same of the sums over all dimensions (PERMANOVA, Anderson 2001): not
              the mean of F_d, but weighted by variance
    p         (1 + permutations of the labels with as high an F) / (1 + permutations)
    R2        SSB / SST;  adjusted: 1 - (SSW / (N-G)) / (SST / (N-1))
    intra     mean_g sum_{i in g} |x_i - mu_g|^2 / n_g
    inter     mean_g |mu_g - mean_h mu_h|^2, every group counted once
    Fisher    tr((Sw + lambda I)^-1 Sb), the scatter matrices of SSW and SSB, with
              lambda = 1e-3 tr(Sw) / D: Sw is singular where N - G < D

F grows with N where the effect is real: compare sets with equal n_g and G, or the adjusted
R2. PERMANOVA also answers to unequal spread; `dispersion_f` is the F of the distances
to the own mean, and asks about that alone. Without any spread within groups the ratios
are infinite.
"""

from typing import NamedTuple

import numpy as np

from apt_jax.words import counted

RIDGE = 1e-3
ROUNDING = 1e-12  # of float32 features: a smaller share of SST is no spread
NUMBERS_AT_ONCE = 2**23  # bounds the memory of permutations
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


class Groups(NamedTuple):
    """Rows sorted by group, float64."""

    x: np.ndarray  # [N, D], about the mean of all
    starts: np.ndarray  # [G] first row of each group
    counts: np.ndarray  # [G]

    @classmethod
    def of(cls, x, labels):
        """Groups rows [N, D] by their labels [N].

        Raises:
            ValueError: with fewer than two groups, or no group of two rows.
        """
        x, labels = np.asarray(x, np.float64), np.asarray(labels)
        if x.ndim != 2 or labels.shape != x.shape[:1]:
            raise ValueError(f"expected [N, D] and [N], got {x.shape}, {labels.shape}")
        order = np.argsort(labels, kind="stable")
        _, starts, counts = np.unique(
            labels[order], return_index=True, return_counts=True
        )
        if not 2 <= len(counts) < len(x):
            raise ValueError(
                f"{counted(len(x), 'row')} in {counted(len(counts), 'group')}: an "
                "analysis of variance needs two groups, and a group of two rows"
            )
        return cls((x - x.mean(0))[order], starts, counts)

    @property
    def means(self):
        """[G, D] about the mean of all."""
        return np.add.reduceat(self.x, self.starts) / self.counts[:, None]

    @property
    def residuals(self):
        """[N, D] about the mean of the own group."""
        return self.x - np.repeat(self.means, self.counts, axis=0)

    @property
    def freedom(self):
        """Degrees of freedom between and within groups: G-1 and N-G."""
        return len(self.counts) - 1, len(self.x) - len(self.counts)


def sums_of_squares(groups: Groups):
    """[D] SSB and [D] SSW."""
    between = (groups.counts[:, None] * np.square(groups.means)).sum(0)
    return between, np.square(groups.residuals).sum(0)


def f_ratio(between, within, freedom):
    """F of sums of squares; infinite where nothing spreads within groups."""
    between, within = np.asarray(between), np.asarray(within)
    spread = within > ROUNDING * (between + within)
    ratio = np.full(np.shape(within), np.inf)
    np.divide(between / freedom[0], within / freedom[1], out=ratio, where=spread)
    return ratio


def f_by_dimension(groups: Groups) -> np.ndarray:
    """[D] F of each dimension."""
    return f_ratio(*sums_of_squares(groups), groups.freedom)


def permanova(groups: Groups, *, permutations: int, seed: int = 0):
    """Pseudo-F and its p over random permutations of the labels."""
    between, within = (part.sum() for part in sums_of_squares(groups))
    generator = np.random.default_rng(seed)
    count = len(groups.x)
    at_once = max(1, NUMBERS_AT_ONCE // groups.x.size)
    as_high = 0
    for start in range(0, permutations, at_once):
        size = min(at_once, permutations - start)
        orders = generator.permuted(np.tile(np.arange(count), (size, 1)), axis=1)
        # SST stays, so SSB orders permutations as F does; sums differ in last bits.
        found = _between(groups, orders)
        as_high += int((found >= between * (1 - 1e-12)).sum())
    pseudo_f = float(f_ratio(between, within, groups.freedom))
    return pseudo_f, (1 + as_high) / (1 + permutations)


def _between(groups, orders):
    """[P] SSB with the rows in each of the orders [P, N]."""
    sums = np.add.reduceat(groups.x[orders], groups.starts, axis=1)  # [P, G, D]
    return (np.square(sums).sum(-1) / groups.counts[None]).sum(-1)


def fisher_ratio(groups: Groups, *, ridge: float = RIDGE) -> float:
    """tr((Sw + lambda I)^-1 Sb), lambda = ridge tr(Sw) / D."""
    between, within = sums_of_squares(groups)
    if within.sum() <= ROUNDING * (between + within).sum():
        return np.inf
    scatter = groups.residuals.T @ groups.residuals
    weighted = groups.means * groups.counts[:, None]
    size = ridge * np.trace(scatter) / len(scatter)
    shrunk = scatter + size * np.eye(len(scatter))
    return float(np.trace(np.linalg.solve(shrunk, weighted.T @ groups.means)))


def by_group(groups: Groups):
    """[G] mean squared distance to the own mean, and [G] squared to the nearest other."""
    squares = np.square(groups.residuals).sum(1)
    intra = np.add.reduceat(squares, groups.starts) / groups.counts
    means = groups.means
    lengths = np.square(means).sum(1)
    apart = lengths[:, None] + lengths[None] - 2 * means @ means.T
    np.fill_diagonal(apart, np.inf)
    return intra, np.maximum(apart.min(1), 0)


def analysis(x, labels, *, permutations: int = 999, seed: int = 0) -> dict:
    """All of the figures above, by name; lists are by dimension and by group.

    Without any spread `dispersion_f` is not a number.
    """
    groups = Groups.of(x, labels)
    between, within = (part.sum() for part in sums_of_squares(groups))
    f = f_by_dimension(groups)
    pseudo_f, p = permanova(groups, permutations=permutations, seed=seed)
    intra, nearest = by_group(groups)
    means = groups.means
    inter = np.square(means - means.mean(0)).sum(1).mean()
    distance = np.sqrt(np.square(groups.residuals).sum(1))[:, None]
    own = np.repeat(np.arange(len(means)), groups.counts)
    dispersion_f = np.nan
    if np.isfinite(pseudo_f):
        dispersion_f = float(f_by_dimension(Groups.of(distance, own))[0])
    total, count = between + within, len(groups.x)
    return {
        "examples": count,
        "groups": len(means),
        "dimensions": groups.x.shape[1],
        "pseudo_f": pseudo_f,
        "p": p,
        "permutations": permutations,
        "r2": float(between / total),
        "r2_adjusted": float(1 - within / groups.freedom[1] / (total / (count - 1))),
        "intra": float(intra.mean()),
        "inter": float(inter),
        "intra_over_inter": float(intra.mean() / inter),
        "fisher": fisher_ratio(groups),
        "dispersion_f": dispersion_f,
        "f_quantiles": {
            f"{q:g}": float(np.quantile(f, q, method="nearest")) for q in QUANTILES
        },
        "f_by_dimension": f.tolist(),
        "intra_by_group": intra.tolist(),
        "nearest_by_group": nearest.tolist(),
    }
