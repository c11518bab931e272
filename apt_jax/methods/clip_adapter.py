"""CLIP-Adapter: a small bottleneck on the image embedding, blended with it.

Gao et al. 2021, arXiv:2110.04544; its text side stays as it is. With f the raw image
embedding:

    a = relu(V relu(U f)),   g = ratio a + (1 - ratio) f;   logit_c = s cos(t_c, g)

The optimiser, its schedule and the epochs are CoOp's, as in the authors' code, which has a
ratio of 0.2 on every data set; the paper also adapts the text. `drop_hidden` is ours:
dropout of the bottleneck, off by default.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from apt_jax.fields import RATE, SHARE, at_least, field
from apt_jax.methods.base import (
    COOP_BY_DATA_SET,
    FEW_EPOCHS,
    STORED,
    Method,
    coop_recipe,
    torch_linear,
    unit,
)
from apt_jax.methods.dropout import dropout


@dataclasses.dataclass(frozen=True)
class CLIPAdapter(Method):
    ratio: float = field(0.2, "share of the adapted embedding in the blend", SHARE)
    reduction: int = field(4, "the bottleneck has D / reduction units", at_least(1))
    drop_hidden: float = field(0.0, "dropout of the bottleneck's units", RATE)

    inputs: ClassVar[str] = "embedding"
    names_new_classes: ClassVar[bool] = True
    by_data_set: ClassVar = COOP_BY_DATA_SET
    differs: ClassVar = (
        STORED,
        FEW_EPOCHS,
        "ratio is 0.2 on every data set, as in the authors' code; what the paper has by "
        "data set could not be found",
        "the paper's adapter of the text is not here",
    )

    def init(self, key, task, chosen):
        dim = task.text.shape[-1]
        down, up = jax.random.split(key)
        hidden = max(dim // self.reduction, 1)
        return {
            "down": torch_linear(down, (dim, hidden)),
            "up": torch_linear(up, (hidden, dim)),
        }

    def logits(self, params, task, classes, image, *, key=None):
        hidden = jax.nn.relu(image.astype(jnp.float32) @ params["down"])
        adapted = jax.nn.relu(dropout(hidden, self.drop_hidden, key) @ params["up"])
        blend = self.ratio * adapted + (1 - self.ratio) * image
        return task.logit_scale * classes @ unit(blend)

    def recipe(self, task, chosen):
        return coop_recipe(task)
