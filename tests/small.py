"""Small made-up tasks for tests: tiny shapes, since each new shape compiles."""

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.methods.base import batch_logits
from apt_jax.methods.task import Shots, Task, Texts

K, D, N = 5, 16, 7  # classes, embedding, tokens
SCALE = 20.0

logits_of = jax.jit(batch_logits, static_argnums=0)


def directions(generator, *shape):
    """Unit vectors, [*shape] float32."""
    x = generator.normal(size=shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def small_task(seed=0, classes=K, dim=D, **fields):
    """A task of `classes` random text features."""
    generator = np.random.default_rng(seed)
    text = jnp.asarray(directions(generator, classes, dim))
    texts = Texts(
        features=text,
        raw=3.0 * text,
        prompt_ids=jnp.zeros((classes, 1, 4), jnp.int32),
        prompt_eos=jnp.zeros((classes, 1), jnp.int32),
        prompt_shares=jnp.ones((classes, 1)),
        name_ids=jnp.zeros((classes, 4), jnp.int32),
        name_eos=jnp.zeros((classes,), jnp.int32),
    )
    names = tuple(f"class {number}" for number in range(classes))
    return Task(texts=texts, logit_scale=jnp.float32(SCALE), names=names, **fields)


def with_text(task, text):
    """The task with other text features, [K, D] of unit length."""
    return task.replace(texts=task.texts.replace(features=text))


def labelled(task, labels):
    """The task with shots of which only the labels are known."""
    return task.replace(shots=Shots(None, None, jnp.asarray(labels, jnp.int32)))


def fitted(method, task, key=None):
    """The parameters of a method that is fitted at once."""
    key = jax.random.key(0) if key is None else key
    chosen = method.choose(jax.random.clone(key), task)
    return method.fit(key, task, chosen)


def small_images(count, seed=1, tokens=N, dim=D):
    """[count, N, D] raw tokens, CLS first, and their [count, 2] contents."""
    generator = np.random.default_rng(seed)
    images = generator.normal(size=(count, tokens, dim)).astype(np.float32)
    contents = generator.integers(0, 2**32, size=(count, 2), dtype=np.uint32)
    return jnp.asarray(images), jnp.asarray(contents)


def small_shots(count=12, views=3, seed=2, classes=K, dim=D, tokens=N):
    """A task with `count` labelled shots whose tokens lean towards their class."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    centres = directions(generator, classes, dim)
    shape = (count, views, tokens, dim)
    x = generator.normal(size=shape) * 0.3 + centres[labels][:, None, None]
    shape = (count, 1, tokens, dim)
    crops = generator.normal(size=shape) * 0.3 + centres[labels][:, None, None]
    shots = Shots(_stored(x), _stored(crops), jnp.asarray(labels, jnp.int32))
    return small_task(classes=classes, dim=dim, shots=shots)


def _stored(tokens):
    """[n, R, N, D] tokens in the form in which they are kept."""
    return {
        "embedding": jnp.asarray(tokens[:, :, 0], jnp.float32),
        "patches": jnp.asarray(tokens[:, :, 1:], jnp.float16),
    }
