"""What methods with the image tower in the loop share: its prompts, and the head.

A tower without text (a plain ViT) has a linear head, as VPT and VAPT had; CLIP's own
head is the class texts:

    text     logit_c = s cos(t_c, f)
    linear   logit_c = f w_c + b_c,   w ~ N(0, 2 / K),  b = -log 99  (VPT's start)
"""

import dataclasses
import math
from typing import ClassVar

import jax
import jax.numpy as jnp

from apt_jax.clip.pixels import IMAGENET_MEAN, IMAGENET_STD
from apt_jax.features.views import Views
from apt_jax.fields import field, one_of
from apt_jax.methods.base import Method, Recipe, unit
from apt_jax.methods.selection import Selection

FIRST_BIAS = -math.log(99)
# VPT's on its fine-grained sets: 224 of 256 pixels of the shorter side, flipped or not.
VPT_CROPS = Views(10, 0.77)
# Of all that follow VPT's own recipe.
VPT_DIFFERS = (
    "crops are stored, of at least 0.77 of the area and of any shape from 3:4 to 4:3; the "
    "authors cut 224 of the 256 pixels of the shorter side anew in every epoch",
    "a plain ViT sees whole pictures made square, resized with antialiasing; the authors "
    "resize VTAB's without, and cut the middle out of the others",
    "the CLS token of an MAE is read; the authors average the other tokens",
)
NOT_SEARCHED = (
    "learning rate and weight decay are the same on every data set; the authors search "
    "both (configs/studies/visual_prompts.py)"
)
VPT_RECIPE = Recipe(
    learning_rate=0.25,  # 1.0 for batches of 256
    epochs=100,
    batch_size=64,
    drop_last=False,
    weight_decay=1e-3,
    schedule="warm_cosine",
    not_decayed=("head/bias",),
)
# Of recipes whose learning rate the papers search.
FROM_GRID = Selection("published recipe; learning rate: one of its grid")
FROM_OTHERS = Selection(
    f"{FROM_GRID.inside_shots}, on validation images of another data set"
)


@dataclasses.dataclass(frozen=True)
class WithHead(Method):
    """The base of methods that read pixels and end in either head."""

    head: str = field(
        "auto",
        "what tells classes apart; auto = text where there is one",
        one_of("auto", "text", "linear"),
    )
    normalise: str = field(
        "auto",
        "mean and deviation of pixels; auto = ImageNet's on a plain ViT, as VPT's authors, "
        "and the checkpoint's on a CLIP",
        one_of("auto", "imagenet", "checkpoint"),
        before="checkpoint",
    )

    inputs: ClassVar[str] = "pixels"
    runs_tower: ClassVar[bool] = True

    def settled(self, data_set, clip):
        settled = super().settled(data_set, clip)
        return dataclasses.replace(settled, normalise=self._normalise(clip))

    def _normalise(self, clip):
        if self.normalise != "auto":
            return self.normalise
        return "imagenet" if clip.tokenizer is None else "checkpoint"

    def preprocessing(self, clip):
        if self._normalise(clip) == "checkpoint":
            return clip.pixels
        imagenet = {"mean": IMAGENET_MEAN, "std": IMAGENET_STD}
        return dataclasses.replace(clip.pixels, **imagenet)

    @property
    def needs_text(self):
        return self.head == "text"

    @property
    def names_new_classes(self):
        return self.head != "linear"


def embedding(task, pixels, prompts, placement):
    """[D] embedding of ONE image, with prompts for the first blocks (clip.model).

    In later blocks the tokens of the last prompts go on as ordinary ones.
    """
    how = {"prompts": prompts, "placement": placement}
    return task.backbone.apply("image_embedding", pixels[None], **how)[0]


def xavier(key, shape, vision):
    """VPT's start: the Xavier bound of the patch embedding, 0.0625 for a B/16."""
    bound = (6 / (3 * vision.patch_size**2 + vision.hidden_size)) ** 0.5
    return jax.random.uniform(key, shape, jnp.float32, -bound, bound)


def init_head(key, task, head) -> dict:
    """The parameters of the head, {} for class texts."""
    if head == "text" or (head == "auto" and task.texts is not None):
        return {}
    shape = (task.embedding_dim, task.num_classes)
    spread = (2 / task.num_classes) ** 0.5
    return {
        "head": {
            "kernel": spread * jax.random.normal(key, shape),
            "bias": jnp.full(task.num_classes, FIRST_BIAS),
        }
    }


def head_logits(params, task, features):
    """[K] logits of ONE image's embedding, by the head that `params` hold."""
    if "head" not in params:
        return task.logit_scale * task.text @ unit(features)
    return features @ params["head"]["kernel"] + params["head"]["bias"]
