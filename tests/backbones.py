"""Tasks on a ViT-B/16 that has shapes but no weights: for counting parameters."""

import jax
import jax.numpy as jnp
from small import small_task
from toy import CLASSES, toy_clip

from apt_jax.clip import checkpoint
from apt_jax.clip.config import ClipConfig, VisionConfig

B16 = ClipConfig(vision=VisionConfig(patch_size=16))


def trained_on_b16(method, classes=10) -> dict:
    """The shapes of what `method` trains on a B/16, head and all."""
    task = small_task(classes=classes, dim=512).replace(names=CLASSES)
    b16 = toy_clip().replace(config=B16)

    def init(key, params):
        of_b16 = task.replace(backbone=b16.replace(params=params))
        return method.parts(method.init(key, of_b16, {}))[0]

    key = jax.eval_shape(lambda: jax.random.key(0))
    return jax.eval_shape(init, key, checkpoint.parameter_shapes(B16))


def count(shapes) -> int:
    return sum(x.size for x in jax.tree.leaves(shapes))


def photo(seed=0, count=None):
    """[H, W, 3] normalised pixels for the toy CLIP, or `count` of them."""
    side = toy_clip().pixels.size
    shape = (side, side, 3) if count is None else (count, side, side, 3)
    return jax.random.normal(jax.random.key(seed), shape, jnp.float32)
