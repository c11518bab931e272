"""Learning rates as pure functions of the epoch, constant within it or of its fraction.

`coop`, for epoch e of E (Zhou et al. 2022, arXiv:2109.01134; Dassl's per-epoch cosine
after one constant warm-up epoch that does not shift the period):

    lr(0) = min(1e-5, lr0);   lr(e) = lr0/2 (1 + cos(pi (e-1)/E))

It never reaches 0: the last epoch runs at e-1 = E-2. `cosine` is lr0/2 (1 + cos(pi e/E)),
`cosine_by_step` the same with the fraction of epochs done, and `constant` is lr0.
"""

import jax.numpy as jnp

WARM_UP = 1e-5


def coop(epoch, epochs, peak):
    cosine = 0.5 * peak * (1 + jnp.cos(jnp.pi * (epoch - 1) / epochs))
    return jnp.where(epoch == 0, min(WARM_UP, peak), cosine)


def cosine(epoch, epochs, peak):
    return 0.5 * peak * (1 + jnp.cos(jnp.pi * epoch / epochs))


def constant(epoch, epochs, peak):
    return jnp.full(jnp.shape(epoch), peak)


SCHEDULES = {
    "coop": coop,
    "cosine": cosine,
    "cosine_by_step": cosine,
    "constant": constant,
}
BY_STEP = ("cosine_by_step",)  # these read fractions of epochs, the others whole ones
