"""Dropout that is on when given a key: there is no mode to forget."""

import jax
import jax.numpy as jnp


def keep_mask(key, rate, shape):
    """[shape] bool, True where a unit is kept: independently with chance 1 - rate."""
    return jax.random.bernoulli(key, 1 - rate, shape)


def dropout(x, rate, key, *, shape=None):
    """Zeroes a share `rate` of `x` and scales the rest by 1 / (1 - rate).

    The identity when `key` is None or the rate is 0. A `shape` with ones in it shares
    a mask over those axes.
    """
    if key is None or rate == 0:
        return x
    keep = keep_mask(key, rate, x.shape if shape is None else shape)
    return jnp.where(keep, x / (1 - rate), 0)
