"""Analysis of variance: by loops, by scikit-learn, by hand, and what must not matter."""

import itertools

import numpy as np
import pytest

from apt_jax.metrics import variance
from apt_jax.metrics.variance import (
    Groups,
    analysis,
    by_group,
    f_by_dimension,
    fisher_ratio,
    permanova,
)

# Six points in two groups, worked out by hand.
POINTS = np.array([[0, 0], [1, 0], [0, 2], [3, 3], [4, 2], [5, 4]], float)
TWO = np.array([0, 0, 0, 1, 1, 1])


def made_up(seed=0, sizes=(5, 9, 4), dim=6, apart=1.0):
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    centres = apart * generator.normal(size=(len(sizes), dim))
    spread = generator.uniform(0.3, 2, size=dim)
    return centres[labels] + spread * generator.normal(size=(len(labels), dim)), labels


def scatters(x, labels):
    """Sw and Sb [D, D] by loops over rows and groups."""
    within, between = np.zeros((2, x.shape[1], x.shape[1]))
    for g in set(labels.tolist()):
        rows = x[labels == g]
        for row in rows:
            within += np.outer(row - rows.mean(0), row - rows.mean(0))
        gap = rows.mean(0) - x.mean(0)
        between += len(rows) * np.outer(gap, gap)
    return within, between


def test_the_case_worked_out_by_hand():
    found = analysis(POINTS, TWO, permutations=99)
    assert found["pseudo_f"] == pytest.approx(15.45454545)
    assert found["r2"] == pytest.approx(0.79439252)
    assert found["r2_adjusted"] == pytest.approx(1 - (22 / 3 / 4) / (107 / 3 / 5))
    assert found["f_by_dimension"] == pytest.approx([30.25, 7.0])
    assert found["intra"] == pytest.approx(1.22222222)
    assert found["inter"] == pytest.approx(4.72222222)
    assert found["intra_over_inter"] == pytest.approx(0.25882353)
    assert (found["examples"], found["groups"], found["dimensions"]) == (6, 2, 2)


def test_f_of_each_dimension_is_scikit_learns():
    from sklearn.feature_selection import f_classif

    x, labels = made_up()
    np.testing.assert_allclose(
        f_by_dimension(Groups.of(x, labels)), f_classif(x, labels)[0]
    )


def test_pseudo_f_is_that_of_distances_and_not_the_mean_of_fs():
    x, labels = made_up()
    squared = np.square(x[:, None] - x[None]).sum(-1)
    total = squared[np.triu_indices(len(x))].sum() / len(x)
    within = 0.0
    for g in range(3):
        own = squared[np.ix_(labels == g, labels == g)]
        within += own[np.triu_indices(len(own))].sum() / len(own)
    expected = (total - within) / 2 / (within / (len(x) - 3))
    found, _ = permanova(Groups.of(x, labels), permutations=1)
    assert found == pytest.approx(expected)
    assert abs(found - f_by_dimension(Groups.of(x, labels)).mean()) > 0.1 * found


def test_p_comes_near_the_share_of_all_labelings():
    # 2 of the 20 ways to choose three of six are as far apart: p = 0.1.
    splits = [np.isin(np.arange(6), c) for c in itertools.combinations(range(6), 3)]
    exact = np.mean(
        [permanova(Groups.of(POINTS, s), permutations=1)[0] > 15.45 for s in splits]
    )
    assert exact == pytest.approx(0.1)
    _, p = permanova(Groups.of(POINTS, TWO), permutations=4999)
    assert p == pytest.approx(0.1, abs=0.02)


def test_p_is_small_for_groups_and_anything_for_shuffled_labels():
    x, labels = made_up(apart=3.0)
    assert permanova(Groups.of(x, labels), permutations=199)[1] == 1 / 200
    generator = np.random.default_rng(1)
    shuffled = [
        permanova(Groups.of(x, generator.permutation(labels)), permutations=99)[1]
        for _ in range(40)
    ]
    assert 0.35 < np.mean(shuffled) < 0.65


def test_chunks_and_the_seed_decide_p_and_nothing_else(monkeypatch):
    x, labels = made_up(apart=0.3)
    one = permanova(Groups.of(x, labels), permutations=200, seed=1)
    assert one == permanova(Groups.of(x, labels), permutations=200, seed=1)
    assert one[1] != permanova(Groups.of(x, labels), permutations=200, seed=2)[1]
    monkeypatch.setattr(variance, "NUMBERS_AT_ONCE", 7 * x.size)
    assert permanova(Groups.of(x, labels), permutations=200, seed=1) == one


def test_the_fisher_ratio_is_that_of_the_scatter_matrices():
    x, labels = made_up()
    within, between = scatters(x, labels)
    size = 1e-3 * np.trace(within) / 6
    expected = np.trace(np.linalg.inv(within + size * np.eye(6)) @ between)
    assert fisher_ratio(Groups.of(x, labels)) == pytest.approx(expected)
    # Without the ridge no linear map matters.
    turned = x @ np.random.default_rng(4).normal(size=(6, 6))
    found = fisher_ratio(Groups.of(turned, labels), ridge=0.0)
    assert found == pytest.approx(fisher_ratio(Groups.of(x, labels), ridge=0.0))
    few, of_few = made_up(sizes=(2, 2), dim=9)
    assert np.isfinite(fisher_ratio(Groups.of(few, of_few)))


def test_shifts_turns_scales_names_and_order_change_nothing():
    x, labels = made_up()
    plain = analysis(x, labels, permutations=9)
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))
    order = np.random.default_rng(5).permutation(len(x))
    for moved, named in (
        (x + 100.0, labels),
        (7.0 * x, labels),
        (x @ turn, labels),
        (x, labels * 10 - 3),
        (x[order], labels[order]),
    ):
        found = analysis(moved, named, permutations=9)
        for name in (
            "pseudo_f",
            "r2",
            "r2_adjusted",
            "intra_over_inter",
            "fisher",
            "dispersion_f",
        ):
            assert found[name] == pytest.approx(plain[name], rel=1e-6), name


def test_of_unit_rows_one_minus_the_means_length_is_the_spread():
    x, labels = made_up()
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    intra, nearest = by_group(Groups.of(x, labels))
    means = np.stack([x[labels == g].mean(0) for g in range(3)])
    np.testing.assert_allclose(intra, 1 - np.square(means).sum(1))
    apart = np.square(means[:, None] - means[None]).sum(-1) + 9 * np.eye(3)
    np.testing.assert_allclose(nearest, apart.min(1))


def test_unequal_spread_is_told_apart_from_unequal_places():
    generator = np.random.default_rng(2)
    labels = np.repeat([0, 1], 60)
    x = generator.normal(size=(120, 4))
    same = analysis(x, labels, permutations=1)["dispersion_f"]
    wider = analysis(x * (1 + 3.0 * labels[:, None]), labels, permutations=1)
    moved = analysis(x + 5.0 * labels[:, None], labels, permutations=1)
    assert wider["dispersion_f"] > 50 > 10 > same
    assert moved["dispersion_f"] == pytest.approx(same)
    assert moved["pseudo_f"] > 50


def test_groups_of_equal_rows_are_infinitely_far_apart():
    x = np.repeat(np.random.default_rng(0).normal(size=(3, 4)), 5, axis=0)
    found = analysis(x, np.repeat([0, 1, 2], 5), permutations=9)
    assert found["pseudo_f"] == found["fisher"] == np.inf
    assert found["r2"] == found["r2_adjusted"] == pytest.approx(1)
    assert found["intra_over_inter"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found["dispersion_f"])


def test_what_cannot_be_analysed_raises():
    with pytest.raises(ValueError, match="needs two groups"):
        Groups.of(POINTS, np.zeros(6))
    with pytest.raises(ValueError, match="a group of two rows"):
        Groups.of(POINTS, np.arange(6))
    with pytest.raises(ValueError, match="expected"):
        Groups.of(POINTS, np.arange(5))
