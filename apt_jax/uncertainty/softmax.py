"""Logits become probabilities: one pass over a batch of images.

    p = softmax(logits)        H(p) = -sum_c p_c ln p_c        nats

The temperature is in the logits already: CLIP's own scale (`Task.logit_scale`), unless a
method has one, such as `apt.temperature`.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from apt_jax import keys


class Prediction(NamedTuple):
    """Of B images; natural logarithms."""

    log_probs: Array  # [B, K] log of the mean probability
    logits: Array  # [B, K] as the method gives them; of samples their mean
    expected_entropy: Array  # [B] nats; for one deterministic pass, its entropy


def class_side(method, params, task, *, key=None, samples=None):
    """What `method.classes` gives, for all images alike: a text tower runs here or never.

    With a key that matters to it, of all T samples, on a leading axis.
    """
    if key is None or not method.stochastic_classes:
        return method.classes(params, task)
    class_base = keys.of_classes(key)

    def of_sample(index):
        return method.classes(params, task, key=keys.of_sample(class_base, index))

    return jax.lax.map(of_sample, jnp.arange(samples))


def deterministic(method, params, task, images, classes) -> Prediction:
    """One pass without chance over a batch of images; `classes` is from `class_side`."""

    def one_image(image):
        logits = method.logits(params, task, classes, image)
        return jax.nn.log_softmax(logits), logits

    log_probs, logits = jax.vmap(one_image)(images)
    return Prediction(log_probs, logits, entropy(log_probs))


def entropy(log_probs) -> Array:
    """Entropy in nats along the last axis of log-probabilities; 0 ln 0 = 0."""
    probs = jnp.exp(log_probs)
    return -jnp.where(probs > 0, probs * log_probs, 0).sum(-1)
