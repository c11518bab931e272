"""Tip-Adapter: a cache of the shots, asked for those that are near.

Zhang et al. 2022, arXiv:2207.09519. With a key F_i for each shot (the mean of the raw
embeddings of its views, made unit), its label L_i one-hot, and unit f:

    logit_c = s f.t_c + alpha sum_i exp(-beta (1 - f.F_i)) L_ic

`beta` sets how near is near, `alpha` how much the cache counts (paper and first code swap
the two names; these are the later code's). With `trained`, the paper's Tip-Adapter-F, the
keys are trained and not made unit again.

alpha and beta are chosen by cross-validation inside the shots, in one range (with one shot
a class they keep the authors' start on ImageNet). Training then takes at least 100 steps,
in 20 to 100 epochs, whatever the data set, and the last epoch stays.

As published: both are searched on the whole validation split by accuracy, the first of
equals, over the authors' grid of the data set (ImageNet's for sets they do not have).
Tip-Adapter-F trains with the authors' start, keeps the epoch with the best accuracy there,
and is searched afterwards. The authors picked that epoch on the test split, which is out
of reach here: it is the one habit of theirs that is not reproduced. They train for 20
epochs, for 100 on EuroSAT.
"""

import dataclasses
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.data.templates import IMAGENET_7
from apt_jax.features.views import Views
from apt_jax.fields import at_least, field
from apt_jax.methods.base import STORED, Method, Recipe, unit, with_steps
from apt_jax.methods.published import EVERY, Published
from apt_jax.methods.selection import (
    CHOSEN,
    Selection,
    cross_validated,
    cross_validating,
    errors_and_nll,
)

ALPHAS = np.linspace(0.1, 13, 20, endpoint=False, dtype=np.float32)
BETAS = np.linspace(0.1, 13, 40, endpoint=False, dtype=np.float32)
PAIRS = [(alpha, beta) for beta in BETAS for alpha in ALPHAS]
START = (1.17, 1.0)
# Training inside the shots: at least so many steps, in epochs from .. to. With 16 shots the
# authors' 100 epochs on EuroSAT are 100 steps, their 20 on other sets 60 and more.
STEPS, EPOCHS = 100, (20, 100)


class Grid(NamedTuple):
    """Where the authors search."""

    beta: float  # the end of the grid, as that of alpha; both begin at 0.1
    alpha: float
    start: float  # alpha before the search, where beta is 1


PUBLISHED = {
    EVERY: Published(search=Grid(7, 3, 1.17), train={"epochs": 20}),  # as ImageNet
    "caltech101": Published(search=Grid(12, 5, 3.0)),
    "dtd": Published(search=Grid(13, 13, 2.0)),
    "eurosat": Published(search=Grid(12, 10, 2.0), train={"epochs": 100}),
    "fgvc_aircraft": Published(search=Grid(30, 30, 5.0)),
    "food101": Published(search=Grid(10, 10, 1.17)),
    "imagenet": Published(search=Grid(7, 3, 1.17), templates=IMAGENET_7),
    "oxford_flowers": Published(search=Grid(50, 50, 10.0)),
    "oxford_pets": Published(search=Grid(7, 3, 1.17)),
    "stanford_cars": Published(search=Grid(20, 10, 3.0)),
    "sun397": Published(search=Grid(12, 10, 1.17)),
    "ucf101": Published(search=Grid(7, 3, 3.0)),
}


@dataclasses.dataclass(frozen=True)
class TipAdapter(Method):
    trained: bool = field(False, "train the keys: Tip-Adapter-F")
    alpha: float | None = field(
        None, "how much the cache counts beside the text", at_least(0), CHOSEN
    )
    beta: float | None = field(None, "how near is near", at_least(0), CHOSEN)

    inputs: ClassVar[str] = "embedding"
    views: ClassVar[Views] = Views(10, 0.5)
    by_data_set: ClassVar = PUBLISHED

    @property
    def selection(self):
        chosen = cross_validating(self.alpha, self.beta, validation="whole")
        if not self.trained:
            return chosen
        epoch = "; the epoch too, which the authors chose on the test split"
        return Selection(chosen.inside_shots, "whole", epoch)

    @property
    def differs(self):
        searched = "data sets other than the paper's are searched as ImageNet"
        if not self.trained:
            return (searched,)
        return (
            STORED,
            "inside the shots it trains for at least 100 steps, in 20 to 100 epochs; the "
            "authors for 20 epochs, and for 100 on EuroSAT",
            "as published the epoch is chosen on validation; the authors chose it on test",
            searched,
        )

    @property
    def state(self):
        always = ("labels", "alpha", "beta")
        return (*always, "best") if self.trained else ("keys", *always)

    def choose(self, key, task):
        if None not in (self.alpha, self.beta):
            return {}
        if task.val is None:
            alpha, beta = map(float, cross_validated(task, PAIRS, _judge, START))
        elif self.trained:  # what is kept is searched after training
            alpha, beta = self.published(task.dataset).search.start, START[1]
        else:
            alpha, beta = map(float, self._searched(_cache(task), task))
        found = {"alpha": alpha, "beta": beta}
        return {name: found[name] for name in found if getattr(self, name) is None}

    def init(self, key, task, chosen):
        params = _cache(task) | {
            name: jnp.float32(chosen.get(name, getattr(self, name)))
            for name in ("alpha", "beta")
        }
        if self.trained and task.val is not None:
            params["best"] = {"keys": params["keys"], "errors": jnp.int32(2**31 - 1)}
        return params

    def fit(self, key, task, chosen):
        return self.init(key, task, chosen)

    def after_epoch(self, params, task, epoch, recipe):
        if task.val is None or not self.trained:
            return params
        params = params | {"best": _better(params, task)}

        def searched(params):
            params = params | {"keys": params["best"]["keys"]}
            alpha, beta = self._searched(params, task)
            return params | {"alpha": alpha, "beta": beta}

        last = epoch + 1 == recipe.epochs
        return jax.lax.cond(last, searched, lambda params: params, params)

    def logits(self, params, task, classes, image, *, key=None):
        f = unit(image)
        near = nearness(params["keys"] @ f, params["beta"])
        cached = jax.ops.segment_sum(near, params["labels"], task.num_classes)
        return task.logit_scale * classes @ f + params["alpha"] * cached

    def recipe(self, task, chosen):
        if not self.trained:
            return None
        recipe = Recipe(
            learning_rate=1e-3,
            epochs=0,
            batch_size=256,
            drop_last=False,
            optimizer="adamw",
            epsilon=1e-4,
            weight_decay=0.01,
            schedule="cosine_by_step",
        )
        return with_steps(recipe, task.num_shots, STEPS, *EPOCHS)

    def _searched(self, cache, task):
        """alpha and beta from the authors' grid."""
        most_beta, most_alpha, _ = self.published(task.dataset).search
        alphas = _grid(most_alpha, 20) if self.alpha is None else np.array([self.alpha])
        betas = _grid(most_beta, 200) if self.beta is None else np.array([self.beta])
        alphas, betas = jnp.float32(alphas), jnp.float32(betas)
        errors = _scores(cache, task, task.validation(), alphas, betas)[:, 0]
        first = jnp.argmin(errors)
        return alphas[first % len(alphas)], betas[first // len(alphas)]


def _grid(most, count):
    return np.linspace(0.1, most, count, endpoint=False)


def _cache(task):
    return {"keys": keys_of(task), "labels": task.shots.labels}


def keys_of(task):
    """[n, D] the key of each shot."""
    return unit(task.shots.embeddings.mean(axis=1))


def nearness(cosines, beta):
    """exp(-beta (1 - cosine))."""
    return jnp.exp(-beta * (1 - cosines))


def _judge(train, held_out):
    """Errors and NLL of each of `PAIRS`, on the centre crops of images held out."""
    grids = jnp.asarray(ALPHAS), jnp.asarray(BETAS)
    return _scores(_cache(train), train, held_out, *grids)


@jax.jit
def _scores(cache, task, held_out, alphas, betas):
    """Errors and NLL of each beta and, within it, each alpha."""
    f = unit(held_out.shots.crops["embedding"])
    cosines = f @ cache["keys"].T
    is_label = jax.nn.one_hot(cache["labels"], task.num_classes)
    zero_shot = task.logit_scale * f @ task.text.T

    def of_beta(beta):
        cached = nearness(cosines, beta) @ is_label

        def of_alpha(alpha):
            return errors_and_nll(zero_shot + alpha * cached, held_out.shots.labels)

        return jax.lax.map(of_alpha, alphas)

    return jax.lax.map(of_beta, betas).reshape(-1, 2)


@jax.jit
def _better(params, task):
    """The best keys so far, and their errors on the validation images."""
    grids = params["alpha"][None], params["beta"][None]
    errors = _scores(params, task, task.validation(), *grids)[0, 0]
    best = params["best"]
    better = errors < best["errors"]
    return {
        "keys": jnp.where(better, params["keys"], best["keys"]),
        "errors": jnp.where(better, errors, best["errors"]),
    }
