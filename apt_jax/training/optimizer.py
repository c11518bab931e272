"""The optimiser of a recipe, as torch has it; `not_decayed` parameters have wd = 0.

They are named by the end of their path: "head/bias" is one, "bias" are all of that name.

sgd    g <- g + wd theta;   m <- mu m + g;   theta <- theta - lr m
adam   g <- g + wd theta;   Kingma & Ba 2015, arXiv:1412.6980
adamw  Loshchilov & Hutter 2019, arXiv:1711.05101: theta <- theta - lr (step + wd theta)
"""

import functools

import jax
import optax

from apt_jax.methods.base import Recipe
from apt_jax.training.schedules import BY_STEP, SCHEDULES


def sgd(recipe, learning_rate):
    return optax.chain(
        optax.add_decayed_weights(recipe.weight_decay, _decayed(recipe)),
        optax.sgd(learning_rate, momentum=recipe.momentum),
    )


def adam(recipe, learning_rate):
    return optax.chain(
        optax.add_decayed_weights(recipe.weight_decay, _decayed(recipe)),
        optax.adam(learning_rate, eps=recipe.epsilon),
    )


def adamw(recipe, learning_rate):
    return optax.adamw(
        learning_rate,
        eps=recipe.epsilon,
        weight_decay=recipe.weight_decay,
        mask=_decayed(recipe),
    )


def _decayed(recipe):
    """A function of parameters: which of them decay; None for all."""
    if not recipe.not_decayed:
        return None

    def decays(path, _):
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        return not f"/{name}".endswith(tuple(f"/{end}" for end in recipe.not_decayed))

    return functools.partial(jax.tree_util.tree_map_with_path, decays)


OPTIMIZERS = {"sgd": sgd, "adam": adam, "adamw": adamw}


def make_optimizer(
    recipe: Recipe, steps_per_epoch: int
) -> optax.GradientTransformation:
    """The optax chain of a recipe."""

    def learning_rate(step):
        by_step = recipe.schedule in BY_STEP
        epoch = step / steps_per_epoch if by_step else step // steps_per_epoch
        return learning_rate_of(recipe, epoch)

    return OPTIMIZERS[recipe.optimizer](recipe, learning_rate)


def learning_rate_of(recipe: Recipe, epoch):
    """The learning rate of an epoch, counted from 0; of its start, if it changes in it."""
    schedule = SCHEDULES[recipe.schedule]
    return schedule(epoch, recipe.epochs, recipe.learning_rate)


def only_warms_up(recipe: Recipe) -> bool:
    """Whether no epoch comes to half the learning rate, as in CoOp's first and only."""
    rates = (learning_rate_of(recipe, epoch) for epoch in range(recipe.epochs))
    return all(rate < recipe.learning_rate / 2 for rate in rates)
