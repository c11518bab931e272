"""Linear probe: a logistic regression on the embeddings; the text is not used.

Radford et al. 2021, arXiv:2103.00020, section 3.2. With x the unit embedding, shifted and
scaled to mean 0 and standard deviation 1 over the shots, and every view of a shot counted
with weight 1/R:

    minimise  |W|^2 / 2 + C sum_i -log softmax(W x_i + b)[y_i]

by L-BFGS in float32 until the gradient is 1e-5 of what it was, which is scikit-learn's
optimum. `strength` is C; by default it is chosen among the powers of ten from 1e-4 to
1e1 by NLL, cross-validated inside the shots, and is 0.1 with one shot a class. As
published it is chosen as in CoOp's probe, by accuracy on min(K, 4) validation images a
class: the best of every second power from 1e-6 to 1e2, then the decade on either side of
it is halved eight times towards the better end, and the best of all is taken.

Where we differ: the originals use raw embeddings, not standardised. CoOp's search goes up
to 1e6 and keeps the last of the better ends; from 1e4 on no fit converges, and a few
validation images tie there, so it ends at 1e3 here and takes the smallest C of equals.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax

from apt_jax.features.views import Views
from apt_jax.fields import above, field
from apt_jax.methods.base import OTHER_LISTS, Method, unit
from apt_jax.methods.selection import (
    CHOSEN,
    cross_validated,
    cross_validating,
    errors_and_nll,
)

STRENGTHS = tuple(10.0**exponent for exponent in range(-4, 2))
DEFAULT_STRENGTH = 0.1
# Of the authors' also 4 and 6, where no fit converges.
PUBLISHED_POWERS, HALVINGS = (-6, -4, -2, 0, 2), 8
MAX_STEPS, TOLERANCE = 1000, 1e-5


@dataclasses.dataclass(frozen=True)
class LinearProbe(Method):
    strength: float | None = field(
        None, "C: how much the shots count beside |W|^2", above(0), CHOSEN
    )

    inputs: ClassVar[str] = "embedding"
    views: ClassVar[Views] = Views(10, 0.5)  # ours: docs/results.md
    needs_text: ClassVar[bool] = False
    differs: ClassVar = (
        "embeddings are standardised over the shots; the authors' are raw",
        "random crops of the shots train; the authors' probe reads each image as it is",
        "as published C is searched up to 1e3, not to 1e6, and is the smallest of equals",
        OTHER_LISTS,
    )

    @property
    def selection(self):
        return cross_validating(self.strength, validation="few_shot")

    def choose(self, key, task):
        return {} if self.strength is not None else {"strength": best_strength(task)}

    def fit(self, key, task, chosen):
        return regression(task, jnp.float32(chosen.get("strength", self.strength)))

    def logits(self, params, task, classes, image, *, key=None):
        return params["weights"] @ unit(image) + params["bias"]


def best_strength(task) -> float:
    """The strength with the lowest NLL on shots held out; or as published."""
    if task.val is None:
        return cross_validated(task, STRENGTHS, _judge, DEFAULT_STRENGTH, by="nll")
    held_out = task.validation()

    def errors(power):
        return int(_score(task, held_out, jnp.float32(10.0**power))[0])

    return 10.0 ** halving_search(errors)


def halving_search(errors) -> float:
    """CoOp's search of a power of ten, given the errors of each; of equals the smallest."""
    found = {power: errors(power) for power in PUBLISHED_POWERS}

    def best():
        return min(found, key=lambda power: (found[power], power))

    low, high = best() - 1.0, best() + 1.0
    for _ in range(HALVINGS):
        for end in (low, high):
            if end not in found:
                found[end] = errors(end)
        middle = (low + high) / 2
        low, high = (middle, high) if found[high] < found[low] else (low, middle)
    return best()


@jax.jit
def regression(task, strength):
    """[K, D] weights and [K] biases for unit embeddings, at the optimum."""
    x = unit(task.shots.embeddings)
    views = x.shape[1]
    x = x.reshape(-1, x.shape[-1])
    labels = jnp.repeat(task.shots.labels, views)
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    x = (x - mean[None]) / deviation[None]

    def objective(params):
        logits = x @ params["weights"].T + params["bias"][None]
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
        size = 0.5 * jnp.square(params["weights"]).sum()
        # Divided by C n: the sums would grow with both, the tolerance would not.
        return losses.mean() + size / (strength * task.num_shots)

    start = {
        "weights": jnp.zeros((task.num_classes, x.shape[1])),
        "bias": jnp.zeros(task.num_classes),
    }
    found = minimise(objective, start)
    weights = found["weights"] / deviation[None]
    return {"weights": weights, "bias": found["bias"] - weights @ mean}


def minimise(objective, start):
    """The minimum of a smooth convex function, by L-BFGS."""
    optimizer = optax.lbfgs()
    evaluate = optax.value_and_grad_from_state(objective)
    first = optax.tree.norm(jax.grad(objective)(start))

    def unfinished(carry):
        _, state, size = carry
        steps = optax.tree.get(state, "count")
        return (steps < MAX_STEPS) & (size > TOLERANCE * first)

    def step(carry):
        params, state, _ = carry
        value, grad = evaluate(params, state=state)
        updates, state = optimizer.update(
            grad, state, params, value=value, grad=grad, value_fn=objective
        )
        params = optax.apply_updates(params, updates)
        return params, state, optax.tree.norm(optax.tree.get(state, "grad"))

    carry = (start, optimizer.init(start), first)
    return jax.lax.while_loop(unfinished, step, carry)[0]


@jax.jit
def _judge(train, held_out):
    """Errors and NLL of each of `STRENGTHS`, on the centre crops of images held out."""
    return jax.lax.map(
        lambda strength: _score(train, held_out, strength), jnp.asarray(STRENGTHS)
    )


@jax.jit
def _score(train, held_out, strength):
    x = unit(held_out.shots.crops["embedding"])
    fitted = regression(train, strength)
    logits = x @ fitted["weights"].T + fitted["bias"][None]
    return errors_and_nll(logits, held_out.shots.labels)
