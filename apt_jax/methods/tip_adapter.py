"""Tip-Adapter: a cache of the shots, asked for those that are near.

Zhang et al. 2022, arXiv:2207.09519. With a key F_i for each shot (the mean of the raw
embeddings of its views, made unit), its label L_i one-hot, and unit f:

    logit_c = s f.t_c + alpha sum_i exp(-beta (1 - f.F_i)) L_ic

`beta` sets how near is near, `alpha` how much the cache counts (paper and first code swap
the two names; these are the later code's). With `trained`, the paper's Tip-Adapter-F, the
keys are trained and not made unit again.

Where we differ: the authors search alpha and beta on the full validation split, in ranges
that depend on the data set, and pick the epoch of Tip-Adapter-F on the test split. Here
both are chosen by cross-validation inside the shots, in one range (with one shot a class
they keep the authors' start on ImageNet), and the last epoch stays.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.methods.base import Method, Recipe, unit
from apt_jax.methods.selection import cross_validated, summed_nll

ALPHAS = np.linspace(0.1, 13, 20, endpoint=False, dtype=np.float32)
BETAS = np.linspace(0.1, 13, 40, endpoint=False, dtype=np.float32)
PAIRS = [(alpha, beta) for beta in BETAS for alpha in ALPHAS]
START = (1.17, 1.0)


@dataclasses.dataclass(frozen=True)
class TipAdapter(Method):
    trained: bool = False  # Tip-Adapter-F
    alpha: float | None = None  # None: chosen inside the shots, as is beta
    beta: float | None = None

    inputs: ClassVar[str] = "embedding"
    selected_by: ClassVar[str] = "cross-validated on the shots"

    @property
    def constants(self):
        always = ("labels", "alpha", "beta")
        return always if self.trained else ("keys", *always)

    def init(self, key, task):
        del key  # nothing random
        alpha, beta = self._chosen(task)
        return {
            "keys": keys_of(task),
            "labels": task.shot_labels,
            "alpha": jnp.float32(alpha),
            "beta": jnp.float32(beta),
        }

    def fit(self, key, task):
        return self.init(key, task)

    def classes(self, params, task, *, key=None):
        """[K, D] unit text features."""
        return task.text

    def logits(self, params, task, classes, image, *, key=None):
        f = unit(image)
        near = nearness(params["keys"] @ f, params["beta"])
        cached = jax.ops.segment_sum(near, params["labels"], task.num_classes)
        return task.logit_scale * classes @ f + params["alpha"] * cached

    def recipe(self, task):
        if not self.trained:
            return None
        return Recipe(
            learning_rate=1e-3,
            epochs=20,  # 100 on EuroSAT
            batch_size=256,
            drop_last=False,
            optimizer="adamw",
            epsilon=1e-4,
            weight_decay=0.01,
            schedule="cosine_by_step",
        )

    def _chosen(self, task):
        if self.alpha is not None and self.beta is not None:
            return self.alpha, self.beta
        alpha, beta = cross_validated(task, PAIRS, _judge, START)
        return (
            alpha if self.alpha is None else self.alpha,
            beta if self.beta is None else self.beta,
        )


def keys_of(task):
    """[n, D] the key of each shot."""
    return unit(task.shots["embedding"].mean(axis=1))


def nearness(cosines, beta):
    """exp(-beta (1 - cosine))."""
    return jnp.exp(-beta * (1 - cosines))


@jax.jit
def _judge(train, held_out):
    """Summed NLL of each of `PAIRS`, on the first view of each image held out."""
    f = unit(held_out.shots["embedding"][:, 0])
    cosines = f @ keys_of(train).T
    is_label = jax.nn.one_hot(train.shot_labels, train.num_classes)
    zero_shot = train.logit_scale * f @ train.text.T

    def of_beta(beta):
        cached = nearness(cosines, beta) @ is_label

        def of_alpha(alpha):
            return summed_nll(zero_shot + alpha * cached, held_out.shot_labels)

        return jax.lax.map(of_alpha, jnp.asarray(ALPHAS))

    return jax.lax.map(of_beta, jnp.asarray(BETAS)).reshape(-1)
