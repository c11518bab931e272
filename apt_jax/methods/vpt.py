"""VPT: learned tokens among those of the image.

Jia et al. 2022, arXiv:2203.12119. Np vectors stand among the tokens that enter block 0;
before each of the next depth - 1 blocks vectors of that block take their places (depth 1
is the paper's "shallow", all blocks its "deep"). The CLS token answers as ever.

Two forms, with the places, the start and the recipe of their sources:

| form | place | start | recipe |
|---|---|---|---|
| clip | at the end, before CLIP's first norm | N(0, 0.02^2) | 5 epochs, batches of 4 |
| original | after CLS, behind that norm | uniform, |v| <= sqrt(6 / (3 p^2 + W)) | VPT's |

with p the side of a patch and W the width. The clip form is the baseline of MaPLe
(Khattak et al. 2023, arXiv:2210.03117), with the class texts as its head. VPT searches
learning rate and weight decay on validation (configs/studies/visual_prompts.py); the
learning rate here is one of its grid.
"""

import dataclasses

import jax

from apt_jax.data.templates import DEFAULT
from apt_jax.fields import RATE, at_least, field, one_of
from apt_jax.methods.base import CROPS, STORED, Recipe
from apt_jax.methods.dropout import dropout
from apt_jax.methods.published import EVERY, NOTHING, Published
from apt_jax.methods.visual_prompts import (
    FROM_GRID,
    NOT_SEARCHED,
    VPT_CROPS,
    VPT_DIFFERS,
    VPT_RECIPE,
    WithHead,
    embedding,
    head_logits,
    init_head,
    xavier,
)

SPREAD = 0.02  # standard deviation of the clip form's start
PLACEMENT = {"clip": "end", "original": "after_cls"}
RECIPES = {
    "clip": Recipe(learning_rate=2.5e-3, epochs=5, batch_size=4),
    "original": VPT_RECIPE,
}


@dataclasses.dataclass(frozen=True)
class VPT(WithHead):
    prompts: int = field(8, "Np: prompts in each block", at_least(1))
    depth: int = field(12, "blocks with prompts of their own, at most all", at_least(1))
    form: str = field(
        "clip",
        "place, start and recipe of MaPLe's baseline, or VPT's",
        one_of(*RECIPES),
    )
    drop_prompt: float = field(
        0.0, "dropout of entries of the prompts, for each image apart", RATE
    )

    @property
    def views(self):
        return CROPS if self.form == "clip" else VPT_CROPS

    @property
    def differs(self):
        if self.form == "clip":
            return (STORED,)
        return (
            *VPT_DIFFERS,
            NOT_SEARCHED,
            "prompts have no dropout; the authors' on VTAB-1k have 0.1",
        )

    @property
    def by_data_set(self):
        reads_text = self.form == "clip" and self.head != "linear"
        return {EVERY: Published(templates=DEFAULT)} if reads_text else NOTHING

    @property
    def selection(self):
        return FROM_GRID if self.form == "original" else super().selection

    def init(self, key, task, chosen):
        vision = task.backbone.config.vision
        depth = min(self.depth, vision.num_hidden_layers)
        shape = (depth, self.prompts, vision.hidden_size)
        of_prompts, of_head = jax.random.split(key)
        if self.form == "clip":
            prompts = SPREAD * jax.random.normal(of_prompts, shape)
        else:
            prompts = xavier(of_prompts, shape, vision)
        return {"prompts": prompts, **init_head(of_head, task, self.head)}

    def logits(self, params, task, classes, image, *, key=None):
        prompts = dropout(params["prompts"], self.drop_prompt, key)
        features = embedding(task, image, list(prompts), PLACEMENT[self.form])
        return head_logits(params, task, features)

    def recipe(self, task, chosen):
        return RECIPES[self.form]
