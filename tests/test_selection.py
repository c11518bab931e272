"""Cross-validation inside the shots: fair folds, no peeking, an honest default."""

import numpy as np
import pytest
from small import small_shots

from apt_jax.methods.selection import MOST_FOLDS, cross_validated, folds


@pytest.mark.parametrize(("shots", "expected"), [(2, 2), (4, 4), (16, MOST_FOLDS)])
def test_every_fold_holds_every_class(shots, expected):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(3), shots))
    of_image = folds(labels)
    assert of_image.max() + 1 == expected
    for fold in range(expected):
        assert set(labels[of_image == fold]) == {0, 1, 2}


def test_one_image_of_a_class_leaves_nothing_to_hold_out():
    assert folds([0, 0, 1]) is None
    found = cross_validated(small_shots(count=5), (1, 2), None, default=7)
    assert found == 7


def test_each_image_is_held_out_once_and_never_trained_on_at_that_time():
    task = small_shots(count=15)
    embeddings = np.asarray(task.shots["embedding"])
    held = []

    def judge(train, held_out):
        ours = np.asarray(held_out.shots["embedding"])
        theirs = np.asarray(train.shots["embedding"])
        held.extend(ours.tolist())
        assert not {x.tobytes() for x in ours} & {x.tobytes() for x in theirs}
        assert len(ours) + len(theirs) == len(embeddings)
        return [0.0, 0.0]

    cross_validated(task, ("a", "b"), judge, None)
    assert sorted(held) == sorted(embeddings.tolist())


def test_the_lowest_nll_wins_and_the_first_of_equals():
    task = small_shots(count=15)
    for nlls, expected in (([3, 1, 2], "b"), ([2, 1, 1], "b"), ([np.nan, 2, 1], "c")):
        found = cross_validated(task, "abc", lambda train, held, n=nlls: n, None)
        assert found == expected
