"""The optimiser of a recipe: SGD with momentum, as torch has it.

    g <- g + wd theta;   m <- mu m + g;   theta <- theta - lr(epoch) m

Weight decay is added to the gradient before the momentum (L2), and the learning rate is
constant within an epoch of S steps.
"""

import optax

from apt_jax.methods.base import Recipe
from apt_jax.training.schedules import SCHEDULES


def make_optimizer(
    recipe: Recipe, steps_per_epoch: int
) -> optax.GradientTransformation:
    """The optax chain of a recipe."""

    def learning_rate(step):
        return learning_rate_of(recipe, step // steps_per_epoch)

    return optax.chain(
        optax.add_decayed_weights(recipe.weight_decay),
        optax.sgd(learning_rate, momentum=recipe.momentum),
    )


def learning_rate_of(recipe: Recipe, epoch):
    """The learning rate of an epoch, counted from 0."""
    schedule = SCHEDULES[recipe.schedule]
    return schedule(epoch, recipe.epochs, recipe.learning_rate)
