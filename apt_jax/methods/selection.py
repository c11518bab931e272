"""Hyper-parameters chosen inside the shots, by cross-validation; or as papers did.

The shots are cut into folds that hold each class alike; all views of an image are in one
fold. Each candidate is fitted to all folds but one and judged on the centre crops of that
one, since a test image is read so: by its errors as papers do, the NLL deciding where a
handful of images make them tie; or by its NLL alone where that is as often right and better
calibrated (docs/results.md has the comparison). Where a class has one image only nothing
can be held out, and the method's default stays.

With `protocol=as_published` there are validation images, as many as the paper used: each
candidate is fitted to all shots and judged on them, by its errors alone.

The test split is not at hand here.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import optax

CHOSEN = "chosen as the protocol says"  # what None means of what is chosen
CROSS_VALIDATED = "cross-validated on the shots"
BY_HAND = "set by hand"
MOST_FOLDS = 5

# Validation images that a published protocol selects on, in words.
VALIDATION = {
    "few_shot": "min(K, 4) images a class",
    "as_many": "as many images a class as shots",
    "whole": "all of it",
}


class Selection(NamedTuple):
    """What selects a method's hyper-parameters, in words for the card."""

    inside_shots: str = "published recipe"
    # What its paper selects on: "none" or a key of VALIDATION. With
    # `protocol=as_published` these images come as `task.val`.
    validation: str = "none"
    besides: str = ""  # what more to say of `as_published`

    def said_of(self, labels) -> str:
        """The words inside shots of these labels."""
        if self.inside_shots == CROSS_VALIDATED and folds(labels) is None:
            return "default: one shot of a class leaves nothing to hold out"
        return self.inside_shots

    @property
    def as_published(self) -> str:
        """The words under `protocol=as_published`."""
        if self.validation == "none":
            return self.inside_shots
        return f"validation split: {VALIDATION[self.validation]}{self.besides}"


def cross_validating(*values, validation: str) -> Selection:
    """Of a method that chooses those of the values that are None."""
    if None in values:
        return Selection(CROSS_VALIDATED, validation)
    return Selection(BY_HAND)


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


def errors_and_nll(logits, labels):
    """[2] of [m, K] logits: how many are highest elsewhere than at the label, and the
    summed -log softmax(logits)[label] in nats."""
    nll = optax.softmax_cross_entropy_with_integer_labels(logits, labels).sum()
    return jnp.stack([(logits.argmax(-1) != labels).sum(), nll])


def best_of(task, candidates, judge, default):
    """The best candidate: on the validation images if there are any, else inside the shots.

    `judge(train, held_out)` is as in `cross_validated`.
    """
    if task.val is None:
        return cross_validated(task, candidates, judge, default)
    errors = judge(task, task.validation())[:, 0]
    return candidates[int(np.argmin(errors))]


def cross_validated(task, candidates, judge, default, by="errors"):
    """The candidate with the fewest errors over all folds; of equals the lowest NLL.

    Args:
        judge: `judge(train, held_out)`, two tasks, gives [n, 2], the `errors_and_nll` of
            every candidate, fitted to `train`, on `held_out`.
        default: what is returned where no image can be held out.
        by: "nll" for the lowest NLL, whatever the errors.
    """
    of_image = folds(task.shots.labels)
    if of_image is None:
        return default
    total = np.zeros((len(candidates), 2))
    for fold in range(of_image.max() + 1):
        train, held_out = (
            task.take(rows) for rows in (of_image != fold, of_image == fold)
        )
        total += np.asarray(judge(train, held_out), np.float64)
    errors, nll = np.where(np.isfinite(total).all(1), total.T, np.inf)
    ranked = np.argsort(nll) if by == "nll" else np.lexsort((nll, errors))
    return candidates[int(ranked[0])]
