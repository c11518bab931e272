"""TaskRes: every class's text feature plus a residual of its own.

Yu et al. 2023, arXiv:2211.10277. With t_c the raw text feature of class c (not unit: its
length sets how far a step turns it):

    w_c = t_c + alpha x_c,   x_c = 0 at the start;   logit_c = s cos(w_c, f)

The original averages several templates' raw features, as we do here; it leaves the
underscores in class names, which we clean. Its "enhanced base" is not here.
"""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp

from apt_jax.data.templates import IMAGENET_8
from apt_jax.fields import at_least, field
from apt_jax.methods.base import PLAIN_NAMES, STORED, Method, Recipe, unit
from apt_jax.methods.published import Published


@dataclasses.dataclass(frozen=True)
class TaskRes(Method):
    alpha: float | None = field(
        None, "scales the residuals", at_least(0), "0.5, or as published there"
    )

    inputs: ClassVar[str] = "embedding"
    usual: ClassVar = {"alpha": 0.5}
    differs: ClassVar = (STORED, PLAIN_NAMES, "its enhanced base is not here")
    by_data_set: ClassVar = {
        "imagenet": Published(templates=IMAGENET_8, train={"learning_rate": 2e-4}),
        "oxford_flowers": Published(method={"alpha": 1.0}),
    }

    def init(self, key, task, chosen):
        return {"residual": jnp.zeros_like(task.texts.raw)}

    def classes(self, params, task, *, key=None):
        """[K, D] unit class features."""
        return unit(task.texts.raw + self.value("alpha") * params["residual"])

    def recipe(self, task, chosen):
        return Recipe(
            learning_rate=2e-3,
            epochs=100 if task.shots_per_class <= 4 else 200,
            batch_size=256,
            optimizer="adam",
        )
