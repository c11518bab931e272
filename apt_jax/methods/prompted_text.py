"""Learned vectors among the words of a prompt, and the text tower over all classes.

A prompt is [start] v_1 .. v_M name . [end]; with the name in the middle or at the front,
M // 2 or none of the vectors stand before it and the rest between it and the full stop.
"""

import jax
import jax.numpy as jnp

# Context vectors before the name, of M, by the position of the name.
BEFORE = {"end": lambda m: m, "middle": lambda m: m // 2, "front": lambda m: 0}
CLASSES_AT_ONCE = 64  # bounds the memory of the text tower, forward and backward


def word_embeddings(task, ids):
    """[..., W] embeddings of token ids, before positions."""
    return task.module.apply({"params": task.clip}, ids, method="embed_tokens")


def insert_context(task, context, position):
    """[K, L, W] embeddings of the prompts around every class name, and [K] their ends.

    L is the length of the longest: behind a prompt's end no token is read (attention
    looks back only), and a whole context length would be three times the work.

    `context` is [M, W], or [K, M, W] for each class apart. Prompts that are longer than
    CLIP can read lose their end: methods refuse such tasks (`check`).
    """
    words = word_embeddings(task, task.name_ids)
    context = jnp.broadcast_to(context, (len(words), *context.shape[-2:]))
    count = context.shape[1]
    before = BEFORE[position](count)
    length = words.shape[1]
    if task.longest_name:
        length = min(length, task.longest_name + count)

    def of_class(words, context, eos):
        name = eos - 2  # tokens, without start, full stop and end
        place = jnp.arange(length)
        first = (place >= 1) & (place <= before)
        second = (place > before + name) & (place <= count + name)
        of_word = place - jnp.where(
            place > count + name, count, jnp.where(place > before, before, 0)
        )
        of_context = place - 1 - jnp.where(second, name, 0)
        chosen = words[jnp.clip(of_word, 0, len(words) - 1)]
        learned = context[jnp.clip(of_context, 0, count - 1)]
        return jnp.where((first | second)[:, None], learned, chosen)

    return jax.vmap(of_class)(words, context, task.name_eos), task.name_eos + count


def text_features(task, embeddings, eos):
    """[K, D] raw text features of prompts [K, L, W] that end at `eos`.

    Classes go through the tower in chunks, each computed again for the gradient.
    """

    @jax.checkpoint
    def one(prompt):
        embedding, end = prompt
        weights = {"params": task.clip}
        return task.module.apply(
            weights,
            embedding[None],
            end[None],
            method="text_features_from_embeddings",
        )[0]

    return jax.lax.map(one, (embeddings, eos), batch_size=CLASSES_AT_ONCE)
