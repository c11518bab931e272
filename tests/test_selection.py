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
    embeddings, crops = (
        np.asarray(of["embedding"]) for of in (task.shots.stored, task.shots.centre)
    )
    held = []

    def judge(train, held_out):
        assert held_out.shots.stored is train.shots.stored  # nothing is copied
        ours = np.asarray(held_out.shots.embeddings)
        rows = [embeddings.tolist().index(image) for image in ours.tolist()]
        found = held_out.shots.crops["embedding"]
        np.testing.assert_array_equal(found, crops[rows][:, 0])
        theirs = np.asarray(train.shots.embeddings)
        held.extend(ours.tolist())
        assert not {x.tobytes() for x in ours} & {x.tobytes() for x in theirs}
        assert len(ours) + len(theirs) == len(embeddings)
        return np.zeros((2, 2))

    cross_validated(task, ("a", "b"), judge, None)
    assert sorted(held) == sorted(embeddings.tolist())


@pytest.mark.parametrize(
    ("errors", "nlls", "expected"),
    [
        ([3, 1, 2], [1, 9, 1], "b"),
        ([1, 1, 1], [3, 2, 1], "c"),
        ([2, 1, 1], [1, 2, 2], "b"),
        ([0, 2, 1], [np.nan, 1, 1], "c"),
        ([0, 2, 1], [np.inf, 1, 1], "c"),
    ],
    ids=["errors", "then_nll", "first_of_equals", "not_a_number", "infinite"],
)
def test_the_fewest_errors_win_then_the_lowest_nll(errors, nlls, expected):
    task = small_shots(count=15)
    judged = np.stack([errors, nlls], axis=1)
    assert cross_validated(task, "abc", lambda *_: judged, None) == expected


def test_by_nll_errors_do_not_count():
    judged = np.array([[0, 3], [2, 1], [1, 2]])
    found = cross_validated(
        small_shots(count=15), "abc", lambda *_: judged, None, by="nll"
    )
    assert found == "b"
