"""Learned vectors among the words of a prompt, and the text tower over all classes.

A prompt is [start] v_1 .. v_M name . [end]; with the name in the middle or at the front,
M // 2 or none of the vectors stand before it and the rest between it and the full stop.
"""

import jax
import jax.numpy as jnp
import numpy as np

from apt_jax.errors import UserError
from apt_jax.fields import Rule, between
from apt_jax.methods.base import unit

# Context vectors before the name, of M, by the position of the name.
BEFORE = {"end": lambda m: m, "middle": lambda m: m // 2, "front": lambda m: 0}
CLASSES_AT_ONCE = 64  # bounds the memory of the text tower, forward and backward
SPREAD = 0.02  # standard deviation of a random context
WORDS = "a photo of a"  # at which prompts of both towers start
IN_WORDS = between(1, len(WORDS.split()))  # so many prompts can start there
WORDS_OR_NONE = Rule(lambda text: not text or text.strip(), "words, or empty")


def word_embeddings(task, ids):
    """[..., W] embeddings of token ids, before positions."""
    return task.backbone.apply("embed_tokens", ids)


def first_context(task, key, length, words=""):
    """[M, W] vectors: N(0, 0.02^2) of `length`, or the embeddings of `words`."""
    if words:
        ids, eos = task.backbone.tokenizer.encode([words])
        return word_embeddings(task, jnp.asarray(ids)[0, 1 : eos[0]])
    width = task.backbone.params["text"]["token_embedding"].shape[-1]
    return SPREAD * jax.random.normal(key, (length, width))


def insert_context(task, context, position):
    """[K, L, W] embeddings of the prompts around every class name, and [K] their ends.

    `context` is [M, W], or [K, M, W] for each class apart. Methods refuse tasks whose
    prompts are longer than the tower reads (`require_room`).
    """
    words = word_embeddings(task, task.texts.name_ids)
    context = jnp.broadcast_to(context, (len(words), *context.shape[-2:]))
    count = context.shape[1]
    before = BEFORE[position](count)

    def of_class(words, context, eos):
        name = eos - 2  # tokens, without start, full stop and end
        place = jnp.arange(len(words) + count)
        first = (place >= 1) & (place <= before)
        second = (place > before + name) & (place <= count + name)
        of_word = place - jnp.where(
            place > count + name, count, jnp.where(place > before, before, 0)
        )
        of_context = place - 1 - jnp.where(second, name, 0)
        chosen = words[jnp.clip(of_word, 0, len(words) - 1)]
        learned = context[jnp.clip(of_context, 0, count - 1)]
        return jnp.where((first | second)[:, None], learned, chosen)

    ends = task.texts.name_eos
    return jax.vmap(of_class)(words, context, ends), ends + count


def require_room(task, length: int, words: str = ""):
    """Refuses class names that the vectors of `first_context` leave no room for."""
    count = len(first_context(task, None, 0, words)) if words else length
    longest = int(np.max(task.texts.name_eos)) + count
    room = task.backbone.params["text"]["position_embedding"].shape[0]
    if longest >= room:
        raise UserError(
            f"a prompt of {longest + 1} tokens is longer than this CLIP can read "
            f"({room}); lower `method.context_length` or shorten the class names"
        )


def text_features(task, embeddings, eos, *, prompts=None):
    """[K, D] raw text features of prompts [K, L, W] that end at `eos`.

    Classes go through the tower in chunks, each computed again for the gradient.
    `prompts` are those of deeper blocks, for all classes (see clip.model).
    """

    def one(prompt):
        embedding, end = prompt
        tower = "text_features_from_embeddings"
        prompt = embedding[None], end[None]
        return task.backbone.apply(tower, *prompt, prompts=prompts)[0]

    return over_classes(one, (embeddings, eos))


def prompted_features(task, first, later):
    """[K, D] unit text features of "a photo of a NAME." with prompts in the tower.

    `first` [n, W] are in the place of its first n words, `later` are those of the blocks
    behind the first.
    """
    words = first_context(task, None, 0, WORDS)
    context = jnp.concatenate([first, words[len(first) :]])
    prompts = insert_context(task, context, "end")
    return unit(text_features(task, *prompts, prompts=[None, *later]))


def over_classes(one, inputs):
    """`one` mapped over the leading axis in chunks, computed again for the gradient."""
    return jax.lax.map(jax.checkpoint(one), inputs, batch_size=CLASSES_AT_ONCE)
