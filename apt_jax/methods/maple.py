"""MaPLe: prompts in both towers, those of the image made from those of the text.

Khattak et al. 2023, arXiv:2210.03117. For blocks i < J, n vectors P_i of the text tower
stand behind the start token, and n of the image tower at the end of its tokens:

    P~_i = P_i F_i + b_i                       coupling, [W_text] -> [W_image]
    text    block 0: [start] P_0 rest-of-words name . [end];   block i: P_i replace them
    image   block 0: CLS, patches, P~_0;   block i: P~_i replace them
    logit_c = s cos(t_c, f)

P_0 starts at the first n words of "a photo of a", the others of which stay as they are;
the rest at N(0, 0.02^2), and all deeper F_i at one and the same random layer. Extra tokens
always take attention, so no setting of MaPLe is zero-shot CLIP. The recipe is that
of base-to-new.
"""

import dataclasses
from typing import ClassVar

import jax
import jax.numpy as jnp

from apt_jax.fields import at_least, field
from apt_jax.methods.base import STORED, Method, Recipe, torch_linear, unit
from apt_jax.methods.prompted_text import (
    IN_WORDS,
    SPREAD,
    WORDS,
    first_context,
    prompted_features,
    require_room,
)
from apt_jax.methods.visual_prompts import embedding


@dataclasses.dataclass(frozen=True)
class MaPLe(Method):
    prompts: int = field(2, "n: vectors in each block of each tower", IN_WORDS)
    depth: int = field(
        9, "J: blocks with prompts, at most those of the shallower tower", at_least(1)
    )

    inputs: ClassVar[str] = "pixels"
    runs_tower: ClassVar[bool] = True
    names_new_classes: ClassVar[bool] = True
    differs: ClassVar = (
        STORED,
        "the recipe is that of base-to-new at every number of shots; that of the few-shot "
        "figures could not be found",
    )

    def check(self, task):
        require_room(task, 0, WORDS)

    def init(self, key, task, chosen):
        keys, vision = jax.random.split(key, 5), task.backbone.config.vision
        text_blocks = task.backbone.config.text.num_hidden_layers
        later = min(self.depth, vision.num_hidden_layers, text_blocks) - 1
        first = first_context(task, None, 0, WORDS)[: self.prompts]
        couple = (first.shape[-1], vision.hidden_size)

        params = {
            "P_0": first,
            "F_0": torch_linear(keys[0], couple),
            "b_0": torch_linear(keys[1], couple)[0],
        }
        if later:
            F, b = torch_linear(keys[2], couple), torch_linear(keys[3], couple)[0]
            params |= {
                "P": SPREAD * jax.random.normal(keys[4], (later, *first.shape)),
                "F": jnp.tile(F[None], (later, 1, 1)),
                "b": jnp.tile(b[None], (later, 1)),
            }
        return params

    def classes(self, params, task, *, key=None):
        """[K, D] unit text features, and [J, n, W] prompts of the image tower."""
        text = prompted_features(task, params["P_0"], params.get("P", ()))
        return text, self.coupled(params)

    def coupled(self, params):
        """[J, n, W] prompts P~ of the image tower."""
        first = params["P_0"] @ params["F_0"] + params["b_0"][None, :]
        if "P" not in params:
            return first[None]
        later = params["P"] @ params["F"] + params["b"][:, None, :]
        return jnp.concatenate([first[None], later])

    def logits(self, params, task, classes, image, *, key=None):
        text, prompts = classes
        f = unit(embedding(task, image, list(prompts), "end"))
        return task.logit_scale * text @ f

    def recipe(self, task, chosen):
        return Recipe(learning_rate=3.5e-3, epochs=5, batch_size=4)
