"""CLAP: a linear probe that starts at the text features and is held near them.

Silva-Rodriguez et al. 2024, arXiv:2312.12730. With t_c the raw text feature of class c
and w_c = t_c at the start:

    logit_c = s cos(w_c, f)
    loss = cross-entropy + (1/K) sum_c lambda_c |w_c - t_c|^2
    lambda_c = mean zero-shot probability of class c over all views of its shots

so classes that zero-shot CLIP knows are held firmly. lambda is fixed during training, the
default of the authors' code; `constraint` names its other modes: "none" (the paper's
ZS-LP), "balanced" (1) and "constant" (the mean of lambda). No validation data is used.

Where we differ: the original draws, in each epoch, floor(n/256) batches from all views of
the n shots; ours are batches of the shots, each in one of its views. The original leaves
the underscores in class names, which we clean.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from apt_jax.data.templates import IMAGENET_8
from apt_jax.features.views import Views
from apt_jax.fields import field, one_of
from apt_jax.methods.base import PLAIN_NAMES, Method, Recipe, unit
from apt_jax.methods.published import Published

CONSTRAINTS = ("class_wise", "balanced", "constant", "none")


@dataclasses.dataclass(frozen=True)
class CLAP(Method):
    constraint: str = field(
        "class_wise", "which lambda holds the class weights", one_of(*CONSTRAINTS)
    )

    inputs: ClassVar[str] = "embedding"
    views: ClassVar[Views] = Views(20, 0.08)
    by_data_set: ClassVar = {"imagenet": Published(templates=IMAGENET_8)}
    differs: ClassVar = (
        "batches are of the shots, each in one of its views; the authors draw as many from "
        "all views",
        PLAIN_NAMES,
    )
    state: ClassVar[tuple[str, ...]] = ("multipliers",)

    def init(self, key, task, chosen):
        return {"weights": task.texts.raw, "multipliers": self.multipliers(task)}

    def classes(self, params, task, *, key=None):
        """[K, D] unit class weights."""
        return unit(params["weights"])

    def loss(self, params, task, images, labels, *, key):
        loss, logits = super().loss(params, task, images, labels, key=key)
        moved = jnp.square(params["weights"] - task.texts.raw).sum(-1)
        return loss + (params["multipliers"] * moved).mean(), logits

    def multipliers(self, task):
        """[K] lambda of each class."""
        if self.constraint == "none":
            return jnp.zeros(task.num_classes)
        if self.constraint == "balanced":
            return jnp.ones(task.num_classes)
        cosines = unit(task.shots.embeddings) @ task.text.T  # [n, R, K]
        probs = jax.nn.softmax(task.logit_scale * cosines)
        is_label = jax.nn.one_hot(task.shots.labels, task.num_classes)  # [n, K]
        of_shot = jnp.einsum("nrk,nk->n", probs, is_label) / probs.shape[1]
        of_class = of_shot @ is_label / is_label.sum(0)
        if self.constraint == "constant":
            return jnp.full(task.num_classes, of_class.mean())
        return of_class

    def recipe(self, task, chosen):
        return Recipe(learning_rate=0.1, epochs=300, batch_size=256, weight_decay=0.0)
