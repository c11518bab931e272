"""Hyper-parameters chosen inside the shots, by cross-validation; or as papers did.

The shots are cut into folds that hold each class alike; all views of an image are in one
fold. Each candidate is fitted to all folds but one and judged on that one, by its NLL:
with a handful of images accuracies tie. Where a class has one image only there is nothing
to hold out, and the method's default stays.

With `protocol=as_published` there are validation images, as many as the paper used: each
candidate is fitted to all shots and judged on them, by its errors, as papers do.

The test split is not at hand here.
"""

import numpy as np
import optax

CROSS_VALIDATED = "cross-validated on the shots"  # `selected_by` of those that do
MOST_FOLDS = 5


def folds(labels) -> np.ndarray | None:
    """[n] the fold of each image, as many folds as the smallest class has images.

    At most `MOST_FOLDS`; None if some class has one image only.
    """
    labels = np.asarray(labels)
    count = min(np.bincount(labels)[np.unique(labels)].min(), MOST_FOLDS)
    if count < 2:
        return None
    of_image = np.empty(len(labels), int)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        of_image[rows] = np.arange(len(rows)) % count
    return of_image


def summed_nll(logits, labels):
    """Summed -log softmax(logits)[label], nats, of [m, K] logits."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, labels).sum()


def summed_errors(logits, labels):
    """How many of the [m, K] logits are highest elsewhere than at the label."""
    return (logits.argmax(-1) != labels).sum()


def chosen(task, candidates, judge, default):
    """The best candidate: on the validation images if there are any, else inside the shots.

    `judge(train, held_out, score)` is as in `cross_validated`, for either score.
    """
    if task.val is None:
        return cross_validated(task, candidates, judge, default)
    errors = judge(task, task.validation(), score=summed_errors)
    return candidates[int(np.argmin(errors))]


def cross_validated(task, candidates, judge, default):
    """The candidate with the lowest summed NLL over the folds; the first of equals.

    Args:
        judge: `judge(train, held_out)`, two tasks, gives the summed NLL (nats) of every
            candidate, fitted to `train`, on `held_out`.
        default: what is returned where no image can be held out.
    """
    of_image = folds(task.shot_labels)
    if of_image is None:
        return default
    total = np.zeros(len(candidates))
    for fold in range(of_image.max() + 1):
        train, held_out = (
            task.take(rows) for rows in (of_image != fold, of_image == fold)
        )
        total += np.asarray(judge(train, held_out), np.float64)
    return candidates[int(np.nanargmin(total))]
