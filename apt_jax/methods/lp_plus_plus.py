"""LP++: a linear probe beside the text, each class with a weight for its own text.

Huang et al. 2024, arXiv:2404.02285. With unit embeddings f of the n shots (one view
each), unit text features t_c and no logit scale:

    logit_ic = f_i.w_c + b_c + alpha_c f_i.t_c;   loss: mean cross-entropy
    start   w_c = sum_{i in c} f_i,   alpha_c = 250 mean_c mean_{i in c} f_i.t_c
            b_c uniform up to 1 / sqrt(D), as torch's Linear has it
    steps   W, b by heavy ball (0.9) with 4 n / lambda_max(F'F), every epoch
            alpha with n / (4 max_c sum_i (f_i.t_c)^2), every tenth epoch, along the sum
            of its gradients since the first

Full batches, at most 300 epochs. The sums (w_c is not a mean, alpha's gradient is never
set back to 0) are those of the authors' code, which made the paper's figures. The number of
epochs is chosen by cross-validation inside the shots, and is 300 with one shot. As
published: the epoch with the best accuracy on as many validation images a class as
shots, the last of equals.
"""

import dataclasses
import functools
from typing import ClassVar

import jax
import jax.numpy as jnp
import optax

from apt_jax.data.templates import IMAGENET_7
from apt_jax.features.views import Views
from apt_jax.fields import Rule, field
from apt_jax.methods.base import Method, require_every_class, unit
from apt_jax.methods.published import Published
from apt_jax.methods.selection import cross_validated, cross_validating, errors_and_nll

EPOCHS, ALPHA_EVERY = 300, 10
EPOCHS_OR_CHOSEN = Rule(lambda epochs: 0 <= epochs <= EPOCHS, f"1 to {EPOCHS}, or 0")
MOMENTUM = 0.9
ALPHA_START = 250.0


@dataclasses.dataclass(frozen=True)
class LPPlusPlus(Method):
    epochs: int = field(0, "epochs; 0 = chosen as the protocol says", EPOCHS_OR_CHOSEN)

    inputs: ClassVar[str] = "embedding"
    views: ClassVar[Views] = Views(1, 0.5)
    by_data_set: ClassVar = {"imagenet": Published(templates=IMAGENET_7)}
    differs: ClassVar = (
        "w starts at sums and alpha's gradients add up: the authors' code, and not the "
        "paper's formulas",
        "on ImageNet few-shot lists are CoOp's; the authors draw training and validation "
        "images in one",
    )

    @property
    def selection(self):
        return cross_validating(self.epochs or None, validation="as_many")

    def check(self, task):
        require_every_class(task)

    def choose(self, key, task):
        return {} if self.epochs else {"epochs": best_epochs(key, task)}

    def fit(self, key, task, chosen):
        epochs = chosen.get("epochs", self.epochs)
        return descend(start(key, task), task, task, jnp.int32(epochs))[0]

    def classes(self, params, task, *, key=None):
        """[K, D] class weights with the weighted text features added."""
        return params["weights"] + params["text_weights"][:, None] * task.text

    def logits(self, params, task, classes, image, *, key=None):
        return classes @ unit(image) + params["bias"]


def best_epochs(key, task) -> int:
    """The epochs with the fewest errors on shots held out; or as published."""
    if task.val is None:
        judge = functools.partial(_judge, key)
        return cross_validated(task, range(1, EPOCHS + 1), judge, EPOCHS)
    params = start(jax.random.clone(key), task)
    errors = descend(params, task, task.validation(), jnp.int32(EPOCHS))[1][:, 0]
    return EPOCHS - int(jnp.argmin(errors[::-1]))


def start(key, task) -> dict:
    """The parameters before the first step."""
    f, is_label = _shots(task)
    own_text = ((f @ task.text.T) * is_label).sum(0) / is_label.sum(0)
    bound = task.text.shape[-1] ** -0.5
    bias = jax.random.uniform(key, (task.num_classes,), minval=-bound, maxval=bound)
    return {
        "weights": is_label.T @ f,
        "bias": bias,
        "text_weights": jnp.full(task.num_classes, ALPHA_START * own_text.mean()),
    }


def step_sizes(task):
    """The steps of W and b, and of alpha."""
    f, _ = _shots(task)
    largest = jnp.linalg.eigvalsh(f.T @ f)[-1]
    of_text = jnp.square(f @ task.text.T).sum(0).max()
    return 4 * len(f) / largest, len(f) / (4 * of_text)


def _judge(key, train, held_out):
    """Errors and NLL after each number of epochs."""
    params = start(jax.random.clone(key), train)
    return descend(params, train, held_out, jnp.int32(EPOCHS))[1]


@jax.jit
def descend(params, task, watched, epochs):
    """Parameters after `epochs`; errors and NLL on `watched` after each epoch."""
    f, is_label = _shots(task)
    of_watched = unit(watched.shots.crops["embedding"])
    step, alpha_step = step_sizes(task)

    def logits_of(params, f):
        weights = params["weights"] + params["text_weights"][:, None] * task.text
        return f @ weights.T + params["bias"][None]

    def loss(params):
        return optax.softmax_cross_entropy(logits_of(params, f), is_label).mean()

    def one_epoch(carry, epoch):
        params, velocity, summed = carry
        grads = jax.grad(loss)(params)
        summed = summed + grads.pop("text_weights")
        velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, grads)
        moved = {name: params[name] - step * velocity[name] for name in velocity}
        due = (epoch + 1) % ALPHA_EVERY == 0
        moved["text_weights"] = params["text_weights"] - due * alpha_step * summed
        going = epoch < epochs
        params = jax.tree.map(lambda a, b: jnp.where(going, a, b), moved, params)
        judged = errors_and_nll(logits_of(params, of_watched), watched.shots.labels)
        return (params, velocity, summed), judged

    still = {name: jnp.zeros_like(params[name]) for name in ("weights", "bias")}
    carry = (params, still, jnp.zeros_like(params["text_weights"]))
    (params, _, _), judged = jax.lax.scan(one_epoch, carry, jnp.arange(EPOCHS))
    return params, judged


def _shots(task):
    """[n, D] unit embeddings of the first view of each shot, and [n, K] its label."""
    f = unit(task.shots.embeddings[:, 0])
    return f, jax.nn.one_hot(task.shots.labels, task.num_classes)
