"""What a fitted method says of images, batch by batch.

Batches have one fixed size; the last is padded and cut, so there is one compilation and
padding counts nowhere.
"""

import functools

import jax
import numpy as np

from apt_jax import keys
from apt_jax.errors import NotFinite
from apt_jax.methods.base import images_of
from apt_jax.training.fitted import Fitted
from apt_jax.uncertainty.ensemble import mean_over_members
from apt_jax.uncertainty.monte_carlo import monte_carlo
from apt_jax.uncertainty.softmax import Prediction, class_side, deterministic
from apt_jax.words import counted

BATCH = {"cpu": 8}  # a Monte-Carlo chunk of few images stays within its caches
BATCH_ELSEWHERE = 64


def predict_batches(fitted: Fitted, task, features, key=None, samples=None):
    """Yields the `Prediction` of consecutive images (first view), as NumPy arrays.

    With a `key`, the mean of `samples` Monte-Carlo passes; without, one pass. Either of
    each member.

    Raises:
        NotFinite: for NaN and infinity, which are no prediction.
    """
    # One base key for all batches, on purpose: masks are keyed by image content.
    base = (lambda: None) if key is None else (lambda: jax.random.clone(key))
    of_all = (fitted.method, fitted.params, task)
    chance = {"samples": samples, "members": fitted.members}
    classes = class_sides(*of_all, base(), **chance)
    for stored, contents, real in batches(features):
        of_batch = predict_batch(*of_all, stored, contents, classes, base(), **chance)
        part = jax.tree.map(lambda array, n=real: np.asarray(array)[:n], of_batch)
        require_finite_prediction(part)
        yield part


def require_finite_prediction(prediction):
    """Refuses NaN and infinity."""
    finite = np.isfinite(prediction.log_probs).all(-1)
    finite &= np.isfinite(prediction.expected_entropy)
    if not finite.all():
        raise NotFinite(
            f"the probabilities of at least {counted(int((~finite).sum()), 'image')} are "
            "not finite; train again in another `checkpoints`, with a lower "
            "`train.learning_rate` or other `method.*` values"
        )


def batches(features):
    """Yields what is kept of a batch, its contents, and how many of it are no padding."""
    size = BATCH.get(jax.default_backend(), BATCH_ELSEWHERE)
    stored, contents = features.view(0), features.contents[:, 0]
    for start in range(0, len(contents), size):
        rows = slice(start, start + size)
        batch = jax.tree.map(lambda array, r=rows: _pad(array[r], size), stored)
        yield batch, _pad(contents[rows], size), len(contents[rows])


@functools.partial(jax.jit, static_argnames=("method", "samples", "members"))
def class_sides(method, params, task, key, samples, members=1):
    """`class_side` of the method, or of its members on a leading axis."""

    def of_member(member):
        params, key = member
        return class_side(method, params, task, key=key, samples=samples)

    if members == 1:
        return of_member((params, key))
    return jax.lax.map(of_member, (params, _member_keys(key, members)))


@functools.partial(jax.jit, static_argnames=("method", "samples", "members"))
def predict_batch(
    method, params, task, stored, contents, classes, key, samples, members=1
) -> Prediction:
    """The prediction of a batch; one deterministic pass (a member) without a key."""
    images = images_of(method, task, stored)

    def predict(member, key):
        params, classes = member
        if key is None:
            return deterministic(method, params, task, images, classes)
        of_batch = (images, contents, classes)
        return monte_carlo(method, params, task, *of_batch, key=key, samples=samples)

    if members == 1:
        return predict((params, classes), key)
    return mean_over_members(predict, (params, classes), _member_keys(key, members))


def _member_keys(key, members):
    return None if key is None else keys.of_members(key, members)


def _pad(array, size):
    """`array` with its first row repeated up to `size` rows: finite, later cut off."""
    missing = size - len(array)
    return np.concatenate([array, np.repeat(array[:1], missing, axis=0)])
