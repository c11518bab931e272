"""Every use of chance, and what each key is folded with.

    the seed             TRAIN             the key of a fit
                         PREDICT           the key of Monte-Carlo samples
    the key of a fit     START             choosing inside the shots; start of parameters
                         EPOCHS, e         epoch e, split: order, views, dropout (by step)
                         OTHERS, m         member m = 1, 2, ...; member 0 has the fit's own
    the key of a step    split             the class side; images, split again
    the key of samples   split             the class side; images, folded with their content
    either side          t                 sample t

An image's masks hang on (seed, content, t) alone: they are the same in any batch, in any
order, however samples are chunked, on any number of devices. Epoch e draws the same in a
run that was interrupted. One member of an ensemble, and one seed of several that train
together, draws what it draws alone.

Without a key: shots and seeded splits are drawn by `random.Random(seed)` (`data.few_shot`,
`data.own`), random views by the image's own hash (`features.views`).
"""

import jax
import jax.numpy as jnp
from jax import Array

TRAIN, PREDICT = 0, 1  # of the seed
START, EPOCHS, OTHERS = 0, 1, 2  # of the key of a fit


def of_seed(seed: int, use: int) -> Array:
    """The key of one use of chance; threefry, because `rbg` repeats under `vmap`."""
    return jax.random.fold_in(jax.random.key(seed, impl="threefry2x32"), use)


def of_members(key: Array, members: int) -> Array:
    """[M] keys of the members, the first of them `key`; `key` itself for one member."""
    if members == 1:
        return key
    others = jax.random.fold_in(key, OTHERS)
    folded = jax.vmap(jax.random.fold_in, (None, 0))(others, jnp.arange(1, members))
    return jnp.concatenate([jax.random.clone(key)[None], folded])


def folded(key: Array, value) -> Array:
    """`fold_in` of a key, or of each of [S] keys."""
    fold_in = jax.random.fold_in
    return jax.vmap(fold_in, (0, None))(key, value) if key.ndim else fold_in(key, value)


def of_batch(key: Array, count: int) -> tuple[Array, Array]:
    """The key of the class side in a step of training, and [B] keys of its images."""
    class_key, image_key = jax.random.split(key)
    return class_key, jax.random.split(image_key, count)


def of_classes(key: Array) -> Array:
    """The key of all that depends on no image."""
    return jax.random.split(key)[0]


def of_images(key: Array, contents: Array) -> tuple[Array, Array]:
    """The key of all that depends on no image, and [B] keys of images by their content.

    `contents` [B, 2] uint32 is from `features.views.content`.
    """
    class_base, image_base = jax.random.split(key)

    def of_image(content):
        first = jax.random.fold_in(image_base, content[0])
        return jax.random.fold_in(first, content[1])

    return class_base, jax.vmap(of_image)(contents)


def of_sample(base: Array, index) -> Array:
    """The key of sample `index`, on the class side or on one image's side."""
    return jax.random.fold_in(base, index)
