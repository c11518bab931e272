"""A method over a split, streamed: predictions of every image, sums for the metrics.

Batches have one fixed size; the last is padded and masked, so there is one compilation
and padding counts nowhere.
"""

import dataclasses
import functools
import time

import jax
import numpy as np

from apt_jax.errors import NotFinite
from apt_jax.features.stored import image_of
from apt_jax.metrics import Scores
from apt_jax.uncertainty.ensemble import mean_over_members, member_keys
from apt_jax.uncertainty.monte_carlo import (
    Prediction,
    class_side,
    deterministic,
    monte_carlo,
)

BATCH = {"cpu": 8}  # a Monte-Carlo chunk of few images stays within its caches
BATCH_ELSEWHERE = 64


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A row of the report and the predictions behind it."""

    name: str  # "zero_shot", "deterministic", "ensemble", "mc_dropout"
    samples: int | None  # passes in the mean: T of each member; None for a single one
    scores: Scores
    prediction: Prediction  # of all n images, NumPy arrays
    seconds_per_image: float  # the method's passes, compilation and tower apart
    classes: str = "all"  # of `data.base_new.PARTS`
    split: str = "test"  # or a shifted one

    @property
    def row(self) -> dict:
        """The entry of results.json."""
        named = {"name": self.name, "samples": self.samples, "split": self.split}
        return {**named, "classes": self.classes, **self.scores.summary()}


def evaluate(
    name,
    method,
    params,
    task,
    features,
    labels,
    *,
    key=None,
    samples=None,
    bins=15,
    classes="all",
    split="test",
) -> Evaluation:
    """Predicts every image of `features` (first view) and scores it against `labels`.

    With a `key`, `samples` Monte-Carlo passes; without, one deterministic pass. Either
    of each member, if the method has several.
    """
    single = key is None and method.members == 1
    passes = method.members * (1 if key is None else samples)
    labels = np.asarray(labels)
    warm_up = next(predict_batches(method, params, task, features, key, samples))
    parts, scores, start = [], [], time.monotonic()
    for part in predict_batches(method, params, task, features, key, samples):
        first = sum(len(earlier.log_probs) for earlier in parts)
        of_part = labels[first : first + len(part.log_probs)]
        scores.append(
            Scores.of(
                part.log_probs,
                of_part,
                expected_entropy=None if single else part.expected_entropy,
                num_bins=bins,
            )
        )
        parts.append(part)
    seconds = time.monotonic() - start
    del warm_up  # only its compilation mattered
    return Evaluation(
        name,
        None if single else passes,
        functools.reduce(Scores.merge, scores),
        jax.tree.map(lambda *rows: np.concatenate(rows), *parts),
        seconds / len(labels),
        classes,
        split,
    )


def predict_batches(method, params, task, features, key=None, samples=None):
    """Yields the `Prediction` of consecutive images, as NumPy arrays.

    Raises:
        NotFinite: for NaN and infinity, which are no prediction.
    """
    # One base key for all batches, on purpose: masks are keyed by image content.
    base = (lambda: None) if key is None else (lambda: jax.random.clone(key))
    classes = class_sides(method, params, task, base(), samples)
    for stored, contents, real in batches(features):
        batch = (stored, contents, classes)
        of_batch = predict_batch(method, params, task, *batch, base(), samples)
        part = jax.tree.map(lambda array, n=real: np.asarray(array)[:n], of_batch)
        require_finite_prediction(part)
        yield part


def require_finite_prediction(prediction):
    """Refuses probabilities that are none."""
    finite = np.isfinite(prediction.log_probs).all(-1)
    finite &= np.isfinite(prediction.expected_entropy)
    if not finite.all():
        raise NotFinite(
            f"probabilities of {(~finite).sum()} images or more are not finite; train "
            "anew in another --workdir, with a lower --config.train.learning_rate or "
            "other --config.method.* values"
        )


def batches(features):
    """Yields what is kept of a batch, its contents, and how many of it are no padding."""
    size = BATCH.get(jax.default_backend(), BATCH_ELSEWHERE)
    stored, contents = features.view(0), features.contents[:, 0]
    for start in range(0, len(contents), size):
        rows = slice(start, start + size)
        batch = jax.tree.map(lambda array, r=rows: _pad(array[r], size), stored)
        yield batch, _pad(contents[rows], size), len(contents[rows])


@functools.partial(jax.jit, static_argnames=("method", "samples"))
def class_sides(method, params, task, key, samples):
    """`class_side` of the method, or of its members on a leading axis."""

    def of_member(member):
        params, key = member
        return class_side(method, params, task, key=key, samples=samples)

    if method.members == 1:
        return of_member((params, key))
    return jax.lax.map(of_member, (params, _member_keys(method, key)))


@functools.partial(jax.jit, static_argnames=("method", "samples"))
def predict_batch(
    method, params, task, stored, contents, classes, key, samples
) -> Prediction:
    """The prediction of a batch; one deterministic pass (a member) without a key."""
    pixels = method.preprocessing(task)
    images = jax.vmap(lambda kept: image_of(kept, method.inputs, pixels))(stored)

    def predict(member, key):
        params, classes = member
        if key is None:
            return deterministic(method, params, task, images, classes)
        chance = {"key": key, "samples": samples, "classes": classes}
        return monte_carlo(method, params, task, images, contents, **chance)

    if method.members == 1:
        return predict((params, classes), key)
    return mean_over_members(predict, (params, classes), _member_keys(method, key))


def _member_keys(method, key):
    return None if key is None else member_keys(key, method.members)


def _pad(array, size):
    """`array` with its first row repeated up to `size` rows: finite, later cut off."""
    missing = size - len(array)
    return np.concatenate([array, np.repeat(array[:1], missing, axis=0)])
