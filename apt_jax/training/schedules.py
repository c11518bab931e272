"""Learning rates as pure functions of the epoch, constant within it or of its fraction.

`coop`, for epoch e of E (Zhou et al. 2022, arXiv:2109.01134; Dassl's per-epoch cosine
after one constant warm-up epoch that does not shift the period):

    lr(0) = min(1e-5, lr0);   lr(e) = lr0/2 (1 + cos(pi (e-1)/E))

It never reaches 0: the last epoch runs at e-1 = E-2. `cosine` is lr0/2 (1 + cos(pi e/E)),
`cosine_by_step` the same with the fraction of epochs done, `floor_cosine_by_step` ends at
1e-6 instead of 0, and `constant` is lr0. `warm_cosine` (VPT) takes w = E // 10 epochs to
warm up, the first of which trains nothing:

    lr(e) = lr0 e/w for e < w;   lr0/2 (1 + cos(pi (e-w)/(E-w))) from then on
"""

import jax.numpy as jnp

WARM_UP = 1e-5
FLOOR = 1e-6


def coop(epoch, epochs, peak):
    cosine = 0.5 * peak * (1 + jnp.cos(jnp.pi * (epoch - 1) / epochs))
    return jnp.where(epoch == 0, jnp.minimum(WARM_UP, peak), cosine)


def cosine(epoch, epochs, peak):
    return 0.5 * peak * (1 + jnp.cos(jnp.pi * epoch / epochs))


def floor_cosine(epoch, epochs, peak):
    return FLOOR + cosine(epoch, epochs, peak - FLOOR)


def warm_cosine(epoch, epochs, peak):
    w = epochs // 10
    after = cosine(epoch - w, epochs - w, peak)
    return jnp.where(epoch < w, peak * epoch / max(w, 1), after)


def constant(epoch, epochs, peak):
    return jnp.full(jnp.shape(epoch), peak)


SCHEDULES = {
    "coop": coop,
    "cosine": cosine,
    "cosine_by_step": cosine,
    "floor_cosine_by_step": floor_cosine,
    "warm_cosine": warm_cosine,
    "constant": constant,
}
# These read fractions of epochs, the others whole ones.
BY_STEP = ("cosine_by_step", "floor_cosine_by_step")
