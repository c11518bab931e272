"""GDA: Gaussian discriminant analysis of the embeddings, blended with the text.

Wang et al. 2024, arXiv:2402.04087; nothing is trained. With unit embeddings f of all n
views of the shots, mu_c the mean of class c and S the scatter about the means:

    P = D pinv(S + tr(S)/(n-1) I)           shrunk precision
    W = mu P,   b_c = -mu_c' P mu_c / 2 - log K
    logit_c = s f.t_c + alpha (f.W_c + b_c)

alpha is chosen among the decades from 1e-4 to 1e2: by cross-validation inside the shots,
and 0.1 (the authors' start) with one shot. As published: on the whole validation split, by
accuracy, the first of equals. The paper's form for new classes is not here.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.data.templates import IMAGENET_7
from apt_jax.errors import UserError
from apt_jax.features.views import Views
from apt_jax.fields import at_least, field
from apt_jax.methods.base import OTHER_LISTS, Method, require_every_class, unit
from apt_jax.methods.published import Published
from apt_jax.methods.selection import (
    CHOSEN,
    best_of,
    cross_validating,
    errors_and_nll,
)

ALPHAS = tuple(10.0**exponent for exponent in range(-4, 3))
DEFAULT_ALPHA = 0.1


@dataclasses.dataclass(frozen=True)
class GDA(Method):
    alpha: float | None = field(
        None, "how much the shots count beside the text", at_least(0), CHOSEN
    )

    inputs: ClassVar[str] = "embedding"
    views: ClassVar[Views] = Views(10, 0.5)
    by_data_set: ClassVar = {"imagenet": Published(templates=IMAGENET_7)}
    differs: ClassVar = (
        OTHER_LISTS,
        "its closed form for classes without images is not here",
    )
    state: ClassVar[tuple[str, ...]] = ("weights", "bias", "alpha")

    @property
    def selection(self):
        return cross_validating(self.alpha, validation="whole")

    def check(self, task):
        require_every_class(task)

    def choose(self, key, task):
        if self.alpha is not None:
            return {}
        return {"alpha": best_of(task, ALPHAS, _judge, DEFAULT_ALPHA)}

    def fit(self, key, task, chosen):
        weights, bias = gaussian(task)
        alpha = jnp.float32(chosen.get("alpha", self.alpha))
        return {"weights": weights, "bias": bias, "alpha": alpha}

    def logits(self, params, task, classes, image, *, key=None):
        f = unit(image)
        learned = params["weights"] @ f + params["bias"]
        return task.logit_scale * task.text @ f + params["alpha"] * learned


def gaussian(task):
    """[K, D] weights W and [K] biases b, in float64 on the way.

    Raises:
        UserError: if all views of each class are equal: one shot in one view, as a fold
            of two shots has.
    """
    f = np.asarray(unit(task.shots.embeddings), np.float64)
    labels = np.repeat(np.asarray(task.shots.labels), f.shape[1])
    f = f.reshape(-1, f.shape[-1])
    means = np.stack([f[labels == c].mean(0) for c in range(task.num_classes)])
    about_means = f - means[labels]
    scatter = about_means.T @ about_means
    if not np.trace(scatter) > 0:
        raise UserError(
            "gda needs more than one view or shot of a class to estimate a covariance, "
            "also in the folds that choose alpha; raise `views` or `shots`"
        )
    n, dim = f.shape
    shrunk = scatter + np.trace(scatter) / (n - 1) * np.eye(dim)
    precision = dim * np.linalg.pinv(shrunk, hermitian=True)
    weights = means @ precision
    bias = -0.5 * (weights * means).sum(1) - np.log(task.num_classes)
    return jnp.asarray(weights, jnp.float32), jnp.asarray(bias, jnp.float32)


def _judge(train, held_out):
    """The errors and the NLL of each alpha."""
    weights, bias = gaussian(train)
    f = unit(held_out.shots.crops["embedding"])
    zero_shot = train.logit_scale * f @ train.text.T
    learned = f @ weights.T + bias[None]

    def of_alpha(alpha):
        return errors_and_nll(zero_shot + alpha * learned, held_out.shots.labels)

    return jax.vmap(of_alpha)(jnp.asarray(ALPHAS))
