"""Fine-tuning: all of the image tower, with the class texts or a linear head.

What few labels do to a whole tower, beside methods that train a thousandth of it. The
text tower and the logit scale stay frozen. Optimiser and weight decay, from which biases
are exempt, are those with which VPT's authors tune in full (Jia et al. 2022,
arXiv:2203.12119). They search the learning rate on validation; here it is one of their
grid, chosen on validation images of the drawn aircraft. Their rates are for batches of 256
and scale with the batch. They warm up for 5 epochs instead of 10, in batches of 384 instead
of 64.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from apt_jax.features.views import Views
from apt_jax.methods.selection import Selection
from apt_jax.methods.visual_prompts import (
    FROM_OTHERS,
    VPT_CROPS,
    VPT_DIFFERS,
    VPT_RECIPE,
    WithHead,
    embedding,
    head_logits,
    init_head,
)


@dataclasses.dataclass(frozen=True)
class FineTune(WithHead):
    views: ClassVar[Views] = VPT_CROPS
    differs: ClassVar = (
        *VPT_DIFFERS,
        "the learning rate is the same on every data set; the authors search it "
        "(configs/studies/visual_prompts.py:full)",
        "batches of 64 and 10 epochs of warm-up; the authors have 384 and 5",
        "on a CLIP the class texts are the head",
    )
    selection: ClassVar[Selection] = FROM_OTHERS

    def init(self, key, task, chosen):
        image = jax.tree.map(
            lambda x: x.astype(jnp.float32), task.backbone.params["image"]
        )
        return {"image": image, **init_head(key, task, self.head)}

    def logits(self, params, task, classes, image, *, key=None):
        weights = task.backbone.params | {"image": params["image"]}
        tuned = task.replace(backbone=task.backbone.replace(params=weights))
        features = embedding(tuned, image, [], "end")
        return head_logits(params, task, features)

    def recipe(self, task, chosen):
        return dataclasses.replace(
            VPT_RECIPE,
            learning_rate=1.25e-4,  # 5e-4 for batches of 256
            optimizer="adamw",
            epsilon=1e-6,
            weight_decay=0.01,
            not_decayed=("bias",),
        )
